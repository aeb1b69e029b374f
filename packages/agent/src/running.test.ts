import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { markRunning, runningAgent } from './running.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ocm-running-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const fieldsOf = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** As another agent would have left its mark. */
const mark = (folder: string, pid: number) =>
  writeFileSync(join(folder, 'running'), JSON.stringify({ pid, startedAt: fieldsOf(pid)[19] }))

it.skipIf(process.platform !== 'linux')('is one at a time, until it has ended', async () => {
  const folder = place()
  const other = spawn('sleep', ['60'])
  await once(other, 'spawn')
  mark(folder, other.pid as number)
  await expect(markRunning(folder)).rejects.toMatchObject({ code: 'agent-running' })
  other.kill('SIGKILL')
  await once(other, 'exit')
  const unmark = await markRunning(folder)
  await unmark()
})

it.skipIf(process.platform !== 'linux')('has ended although nobody waited for it', async () => {
  const folder = place()
  // It ends when the shell that has started it is `sleep`, which waits for nobody.
  const child = 'until [ "$now" = sleep ]; do read now < /proc/$$/comm; done'
  const parent = spawn('sh', ['-c', `(${child}) & echo $!; exec sleep 60`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  ends.push(() => parent.kill('SIGKILL'))
  const [pid] = (await once(parent.stdout, 'data')).map(Number) as [number]
  await expect.poll(() => fieldsOf(pid)[0]).toBe('Z')
  mark(folder, pid)
  expect(await runningAgent(folder)).toBeUndefined()
})
