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
