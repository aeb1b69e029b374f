/** What a release on trial says to the program that judges it. */
import type { AgentSession } from '@ocm/protocol'
import { TRIAL } from './words.ts'

/** A link that lasts so long has been through handshake, record and at least a heartbeat's worth of frames. */
const STEADY_MS = Number(process.env['OCM_AGENT_STEADY_MS'] ?? 10_000)

/** Noted before it is taken out of the environment. */
export const isOnTrial = process.env[TRIAL] !== undefined && process.send !== undefined

/**
 * @param stop puts everything away, once nothing is at work: another is to take this place
 * @returns to be called with each session; does nothing but on trial
 */
export function provingItself(stop: () => Promise<void>): (session: AgentSession) => void {
  if (!isOnTrial) return () => undefined
  delete process.env[TRIAL]
  process.on('message', () => {
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
  return (session) => {
    const steady = setTimeout(() => process.send?.('good'), STEADY_MS)
    void session.closed.then(() => clearTimeout(steady))
  }
}
