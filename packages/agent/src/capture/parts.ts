/** What a capture is made of; agent.ts hands it in. */
import type { NodeId, Primitives, SnapshotHeader, VaultRecord } from '@ocm/protocol'
import type { Installation } from '../installation.port.ts'
import type { Identity } from '../store/identity.ts'
import type { CaptureHub } from './hub.port.ts'

export interface CaptureParts {
  readonly p: Primitives
  readonly installation: Pick<Installation, 'survey' | 'examine'>
  readonly hub: CaptureHub
  /** The agent's own state directory. One capture at a time works in it. */
  readonly stateDir: string
  readonly node: NodeId
  readonly identity: Identity
  /** The newest one, verified against the pinned root. */
  readonly record: VaultRecord
  readonly agentVersion: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly signal?: AbortSignal
  /** How many threads read; as many as are worth it when not given, 0 for this one alone. */
  readonly threads?: number
  /** The key of fingerprints of identities (see protocol/fleet.ts), if this node was given it. */
  readonly fleet?: Uint8Array
  /** The highest epoch that this node was to be fenced under, for the manifest; 0: never. */
  readonly fenceEpoch?: number
  /** What this node took over in a move, for the header. */
  readonly continues?: SnapshotHeader['continues'] | undefined
}
