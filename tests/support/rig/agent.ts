/** What an apply of the rig is handed: identity, vault, a hub that has packs. */
import type { Apply, ApplyParts, Installation } from '@ocm/agent'
import { type KeyPair, OcmError, readVaultRecord } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type Wish, orderUnder } from './operator.ts'
import type { Snapshot } from './snapshots.ts'
import type { Place } from './trees.ts'
import { A, keys, vault, vaultRecord } from './vault.ts'

export interface RigHub {
  readonly packs: Map<string, Uint8Array>
  /** Of every range that was read. */
  readonly reads: { readonly pack: string; readonly length: number }[]
  readonly phases: string[]
  readonly logs: string[]
  /** Thrown by the n-th read from now on. */
  failAt?: { n: number; readonly error: Error }
}

export const rigHub = (...snapshots: readonly Snapshot[]): RigHub => ({
  packs: new Map(snapshots.flatMap((snapshot) => [...snapshot.packs])),
  reads: [],
  phases: [],
  logs: [],
})

export const partsOf = (
  place: Place,
  me: { readonly id: string; readonly key: KeyPair },
  installation: Installation,
  hub: RigHub,
  captureDelta: ApplyParts['captureDelta'] = () => Promise.reject(new OcmError('internal')),
): ApplyParts => ({
  p,
  installation,
  stateDir: place.agent,
  identity: me,
  vault: {
    root: () => vault.root.public,
    acceptRecord: async (bytes) => readVaultRecord(p, vault.root.public, bytes, 0),
  },
  hub: {
    readPack: async (_, pack, offset, length) => {
      if (hub.failAt && --hub.failAt.n < 0) throw hub.failAt.error
      hub.reads.push({ pack, length })
      const bytes = hub.packs.get(pack)
      if (!bytes) throw new OcmError('pack-missing', { pack })
      return bytes.slice(offset, offset + length)
    },
    progress: ({ phase }) => void (hub.phases.at(-1) !== phase && hub.phases.push(phase)),
    log: (_, text) => void hub.logs.push(text),
  },
  captureDelta,
  now: () => 1_760_000_000_000,
  readyTimeoutMs: 1500,
})

/** Describes, orders and stages, as an operator and a hub would have it. */
export async function stageBy(
  apply: Apply,
  wish: Wish,
  record = vaultRecord(),
): Promise<{ readonly order: Uint8Array; readonly bytes: number }> {
  const order = orderUnder(await apply.describe(record), wish)
  const source = wish.source === A ? keys.a.public : keys.b.public
  const { bytes } = await apply.stage({
    job: wish.job,
    order,
    record,
    header: wish.snapshot.header,
    source,
  })
  return { order, bytes }
}

export const NOTHING = new Uint8Array(0)
