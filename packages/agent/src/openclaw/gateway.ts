/** Which of three ways runs the gateway of this installation: the user's service manager, the system's, or nobody. */
import { OcmError } from '@ocm/protocol'
import type { Gateway } from '../installation.port.ts'

/** Where one installation is, as far as running its gateway goes. */
export interface GatewaySite {
  /** The home directory that OpenClaw is run with. */
  readonly home: string
  readonly stateDir: string
  readonly configPath: string
  /** As configured. */
  readonly port: number
  /** The profile's name, '' without one. */
  readonly profile: string
  /** The `openclaw` command; null when there is none. */
  readonly bin: string | null
}

/** @param remembered what `Gateway.remember` gave before, in this process or in one before it. */
export function detectGateway(site: GatewaySite, remembered?: unknown): Promise<Gateway> {
  return Promise.reject(
    new OcmError('internal', { port: site.port, known: remembered !== undefined }),
  )
}
