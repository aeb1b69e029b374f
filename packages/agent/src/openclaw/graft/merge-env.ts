/** Assignments of one dotenv text, put into another. */
import { isChannelVariable } from '../identity.ts'
import { editEnv } from '../env-file.ts'
import { assignmentsIn } from '../variables.ts'

/** A restore sets what was set; anything else adds what is not there, and no channel that would start by itself. */
export function mergeEnv(own: string, theirs: string, isRestore: boolean): string {
  const coming = new Map(assignmentsIn(theirs))
  if (!isRestore) for (const name of coming.keys()) if (isChannelVariable(name)) coming.delete(name)
  const have = new Set(assignmentsIn(own).map(([name]) => name))
  const edited = isRestore ? editEnv(own, ({ name, value }) => coming.get(name) ?? value) : own
  const lines = linesOf(theirs).filter(({ name }) => coming.has(name) && !have.has(name))
  if (lines.length === 0) return edited
  const start = edited === '' || edited.endsWith('\n') ? edited : `${edited}\n`
  return `${start}${lines.map(({ line }) => line).join('\n')}\n`
}

/** Each as it is written, quotes and all. */
const linesOf = (text: string) =>
  text.split(/\r?\n/).flatMap((line) => {
    const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=/.exec(line)?.[1]
    return name === undefined ? [] : [{ name, line }]
  })
