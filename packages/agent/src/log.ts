/** The agent's own log: JSON lines, on standard error or in a file. It stays on the node, so it may name the node's files. */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type DestinationStream, pino } from 'pino'

export type Log = ReturnType<typeof createLog>

export const createLog = (level: string, to: DestinationStream = pino.destination(2)) =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to)

const MOST_BYTES = 1024 * 1024

/** For an agent whose standard error somebody else reads. Begun anew when it has grown. */
export function logInto(stateDir: string): Log {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const dest = join(stateDir, 'log')
  const size = statSync(dest, { throwIfNoEntry: false })?.size ?? 0
  if (size > MOST_BYTES) rmSync(dest)
  return createLog('info', pino.destination({ dest, mode: 0o600, sync: true }))
}
