/** What leases need of a catalog. */

/** How a node is reached over ssh; sealed, every part of it. */
export interface SshEntry {
  readonly node: string
  readonly connection: Uint8Array | null
  readonly credential: Uint8Array | null
  /** What the hub can open by itself. */
  readonly delegation: {
    readonly sealed: Uint8Array
    readonly since: number
    readonly by: string
  } | null
}

export interface SshNodes {
  /** Those that are reached over ssh. */
  all(): Promise<ReadonlySet<string>>
  one(node: string): Promise<SshEntry | undefined>
  put(entry: SshEntry): Promise<void>
  /** It joined over ssh: reached so from now on. What there is of it stays. */
  mark(node: string): Promise<void>
  /** It has an agent of its own. */
  remove(node: string): Promise<void>
}
