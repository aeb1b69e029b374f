/** One agent a state directory: two would use one identity, and the hub would take them for a clone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Count, OcmError, Strict, check } from '@ocm/protocol'
import { readDurable, removeDurable, writeDurable } from './store/durable.ts'

const Mark = Strict({ pid: Count, startedAt: Type.String() })

const fileIn = (stateDir: string) => join(stateDir, 'running')

/** @returns takes the mark away. @throws OcmError 'agent-running' */
export async function markRunning(stateDir: string): Promise<() => Promise<void>> {
  const other = await runningAgent(stateDir)
  if (other !== undefined) throw new OcmError('agent-running', { pid: other })
  const mark = { pid: process.pid, startedAt: startOf(process.pid) ?? '' }
  await writeDurable(fileIn(stateDir), JSON.stringify(mark))
  return () => removeDurable(fileIn(stateDir))
}

/** The pid of the agent at work on this state directory. */
export async function runningAgent(stateDir: string): Promise<number | undefined> {
  const bytes = await readDurable(fileIn(stateDir))
  if (!bytes) return undefined
  const { pid, startedAt } = check(Mark, JSON.parse(Buffer.from(bytes).toString()), 'mark')
  // After a power cut the pid may be another program's: the time it was started tells.
  return pid !== process.pid && startOf(pid) === startedAt ? pid : undefined
}

/** Clock ticks since boot, as the kernel says; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // One that has ended and that nobody has waited for does nothing any more: not every container has who waits.
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined // No such process.
  }
}
