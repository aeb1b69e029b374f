/** What leases need of a catalog, and what is asked of them. */
import type { SshLease, SshLeaseIssued, SshLeaseRequest } from '@ocm/protocol'

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

export interface Leases {
  /** @throws OcmError 'ssh-busy', 'ssh-missing', 'ssh-no-bundle', 'ssh-borrower-failed' */
  issue(request: SshLeaseRequest, by: string): Promise<SshLeaseIssued>
  /** @throws OcmError 'not-found', 'ssh-lease-ended' */
  lend(id: string, sealed: string): SshLease
  list(): Promise<SshLease[]>
  /** @throws OcmError 'not-found' */
  release(id: string): Promise<SshLease>
  /** All that last; answers when their borrowers are gone. */
  releaseOf(node: string): Promise<void>
  /**
   * A job waits for this node: answers whether somebody has to lend for it. One that was delegated is dialled, and dialled
   * again while it is out of reach.
   * @param asks called when that cannot succeed, so that somebody has to lend after all.
   */
  wanted(node: string, asks?: () => Promise<void>): Promise<boolean>
  /** It is not let in again: drops what is kept to log in there, and releases what was lent. */
  lockOut(node: string): Promise<void>
  stop(): Promise<void>
}
