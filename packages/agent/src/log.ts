/** The agent's own log: JSON lines on standard error. It stays on the node, so it may name the node's files. */
import { type DestinationStream, pino } from 'pino'

export type Log = ReturnType<typeof createLog>

export const createLog = (level: string, to: DestinationStream = pino.destination(2)) =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to)
