/**
 * A catalog that is older than the store beside it: it was restored from a copy, and nodes went on after that was made.
 * What the store holds signed is taken up again before anything else reads or writes either: the newer vault record with
 * its slots and epochs (or the next start would put the old ones in their place), nodes that it lists, and snapshots whose
 * packs are all there. What nobody signed for, names and jobs above all, is as it was when the copy was made.
 */
import {
  claimedSigner,
  equal,
  type Primitives,
  readSnapshot,
  readVaultRecord,
  type SnapshotHeader,
  snapshotIdOf,
  type VaultRecord,
} from '@ocm/protocol'
import type { Adopting, Contents } from './adopt.port.ts'
import type { Node, PackSize, SnapshotCatalog, VaultCatalog } from './ports.ts'
import { storedSlot } from './vault-change.ts'

export interface AdoptNeeds {
  readonly p: Primitives
  readonly store: Contents & { readonly size: PackSize }
  readonly vault: VaultCatalog
  readonly nodes: { nodes(): Promise<Node[]> }
  readonly snapshots: Pick<SnapshotCatalog, 'newest'>
  readonly adopting: Adopting
  readonly now: () => number
}

export interface Adopted {
  readonly record: boolean
  readonly nodes: number
  readonly snapshots: number
  /** Headers whose packs are not all there, or that no known node signed. */
  readonly left: number
}

export async function adopt(needs: AdoptNeeds): Promise<Adopted> {
  const record = await adoptVault(needs)
  const nodes = record ? await adoptNodes(needs, record) : 0
  return { record: record !== undefined, nodes, ...(await adoptSnapshots(needs)) }
}

/** @returns the record, when the store's is newer. */
async function adoptVault({ p, store, vault, now }: AdoptNeeds): Promise<VaultRecord | undefined> {
  const [root, known, kept] = [await vault.root(), await vault.newestRecord(), await store.vault()]
  if (!root || !known || !kept || equal(kept.record, known.bytes)) return undefined
  const record = readVaultRecord(p, root, kept.record, 0)
  if (record.serial <= known.serial) return undefined
  const slots = kept.slots.map(storedSlot)
  const ended = (await vault.epochs()).map(({ epoch }) => epoch)
  for (const epoch of kept.epochs) {
    if (!ended.includes(epoch.epoch)) await vault.change({ slots, ended: epoch, at: now() })
  }
  await vault.change({
    slots,
    record: { serial: record.serial, bytes: kept.record },
    operators: record.operators.map(({ id }) => id),
    at: now(),
  })
  return record
}

async function adoptNodes({ nodes, adopting, now }: AdoptNeeds, record: VaultRecord) {
  const known = new Set((await nodes.nodes()).map(({ id }) => id))
  const added = record.nodes.filter(({ id }) => !known.has(id))
  for (const { id, key } of added) {
    await adopting.addNode({
      id,
      key,
      label: `node ${id.slice(0, 8)}`,
      state: 'active',
      // It will show a number that was given after the copy was made, and that is good.
      sequence: { stored: 0, pending: null },
      boot: '',
      // The vault record vouches for it.
      ticket: new Uint8Array(),
      enrolment: new Uint8Array(),
      agentVersion: '',
      enrolledAt: now(),
      lastSeenAt: null,
      movedTo: null,
    })
  }
  return added.length
}

async function adoptSnapshots({ p, store, nodes, snapshots, adopting }: AdoptNeeds) {
  const known = await adopting.knownSnapshots()
  const loose = (await store.headers()).filter(({ id }) => !known.has(id))
  if (loose.length === 0) return { snapshots: 0, left: 0 }
  const keys = (await nodes.nodes()).map(({ key }) => key)
  const found: Parameters<Adopting['addSnapshot']>[0][] = []
  for (const { id, at } of loose) {
    const statement = await store.header(id)
    const header = read(p, keys, statement)
    if (header && snapshotIdOf(p, statement) === id) found.push({ id, header, statement, at })
  }
  let added = 0
  for (const snapshot of found.toSorted((a, b) => a.header.seq - b.header.seq)) {
    const newest = await snapshots.newest(snapshot.header.node)
    if (newest && newest.seq >= snapshot.header.seq) continue
    if (await adopting.addSnapshot(snapshot, store.size)) added++
  }
  return { snapshots: added, left: loose.length - added }
}

/** Undefined for what no node of this catalog signed. */
function read(
  p: Primitives,
  keys: readonly Uint8Array[],
  statement: Uint8Array,
): SnapshotHeader | undefined {
  const signer = claimedSigner(statement)
  const key = keys.find((one) => equal(one, signer))
  return key && readSnapshot(p, key, statement)
}
