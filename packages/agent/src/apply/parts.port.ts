/** What an apply is made of; agent.ts hands it in. */
import type { KeyPair, Primitives, VaultRecord } from '@ocm/protocol'
import type { Installation } from '../installation.port.ts'
import type { Hub } from './hub.port.ts'

/** The vault as this agent has pinned it. */
export interface PinnedVault {
  /** The root's public key. */
  root(): Uint8Array
  /**
   * Verifies a vault record against the pinned root, keeps its serial on disk and answers it.
   * @throws OcmError 'signature-invalid', 'vault-changed', 'vault-record-stale'
   */
  acceptRecord(bytes: Uint8Array): Promise<VaultRecord>
}

/** The last snapshot of a source that was stopped for good, committed to the hub. */
export interface Delta {
  readonly snapshot: string
  /** The header's statement. */
  readonly header: Uint8Array
  /** Keys of the packs that this run wrote: pack id and key, 32 bytes each. */
  readonly packKeys: readonly (readonly [pack: Uint8Array, key: Uint8Array])[]
  /** The CBOR of its ManifestRoot. */
  readonly root: Uint8Array
}

export interface ApplyParts {
  readonly p: Primitives
  readonly installation: Installation
  /** The agent's own state directory. */
  readonly stateDir: string
  /** This node: its id and its Ed25519 key. */
  readonly identity: { readonly id: string; readonly key: KeyPair }
  readonly vault: PinnedVault
  readonly hub: Hub
  /**
   * Captures what changed since the last snapshot of this node, which no longer runs.
   * @param base the snapshot whose packs the target has the keys of already: the order's.
   */
  readonly captureDelta: (job: string, base: string) => Promise<Delta>
  /** Keeps the key of fingerprints of identities that an order brought. */
  readonly keepFleetKey?: (key: Uint8Array) => Promise<void>
  readonly now: () => number
  /** How long a gateway may take to become ready; 240 s if not given. */
  readonly readyTimeoutMs?: number
}
