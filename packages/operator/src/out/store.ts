/**
 * A pack store without its hub: the vault is opened with what lies beside the packs, and each header is judged by the
 * vault's own record. Whoever can write into a store can seal a snapshot to the vault, so it counts who signed one.
 */
import {
  type Epochs,
  OcmError,
  type OpenedVault,
  type Primitives,
  Slot,
  type SnapshotHeader,
  type Vault,
  type VaultRecord,
  claimedSigner,
  decodeAs,
  equal,
  fromCbor,
  hex,
  openEpochs,
  openHandover,
  openPassphraseSlot,
  openRecoverySlot,
  readSnapshot,
  readVaultRecord,
  snapshotIdOf,
  vaultIdOf,
} from '@ocm/protocol'

/** What was found in a store, beside the packs. */
export interface StoreFiles {
  /** The vault record as it was signed; undefined when it is not there. */
  readonly record: Uint8Array | undefined
  readonly slots: readonly Uint8Array[]
  /** The statement of each epoch that ended. */
  readonly epochs: ReadonlyMap<number, Uint8Array>
  /** Signed headers, by the name they lie under. */
  readonly headers: ReadonlyMap<string, Uint8Array>
}

export type Secret = { readonly passphrase: string } | { readonly recoveryCode: string }

export interface OpenedStore {
  readonly vault: Vault
  readonly epochs: Epochs
  /** Undefined when it is missing or damaged: then every node is unknown. */
  readonly record: VaultRecord | undefined
}

/** `unknown`: the record does not list the key that signed it. Nobody has confirmed that node, or the record is older. */
export type Standing = 'confirmed' | 'retired' | 'unknown'

export interface StoredSnapshot {
  readonly id: string
  readonly header: SnapshotHeader
  readonly statement: Uint8Array
  /** The key that it is signed with. */
  readonly signer: Uint8Array
  readonly standing: Standing
  /** What its signer's other headers say does not go with it: one has its number, or a neighbour names another before it. */
  readonly disputed: boolean
}

export interface StoredSnapshots {
  /** Those of one node together, newest first. */
  readonly snapshots: readonly StoredSnapshot[]
  /** Names of headers that are damaged or signed by nobody. */
  readonly damaged: readonly string[]
}

/**
 * Takes a good part of a second for each operator's slot.
 * @throws OcmError 'store-not-found', 'passphrase-wrong', 'recovery-code-wrong'
 */
export async function openStore(
  p: Primitives,
  files: StoreFiles,
  secret: Secret,
): Promise<OpenedStore> {
  const slots = files.slots.flatMap((bytes) => {
    const slot = readable(() => decodeAs(Slot, bytes, 'slot'))
    return slot ? [slot] : []
  })
  if (slots.length === 0) throw new OcmError('store-not-found', { what: 'no vault/slot-*' })
  for (const id of vaultIdsIn(p, files)) {
    const vault = await openSlots(p, id, slots, secret)
    if (!vault) continue
    const record = readable(() =>
      files.record ? readVaultRecord(p, vault.root.public, files.record, 0) : undefined,
    )
    return { vault, record, epochs: openEpochs(p, vault, files.epochs) }
  }
  throw new OcmError('passphrase' in secret ? 'passphrase-wrong' : 'recovery-code-wrong')
}

/** Slots are bound to a vault's id; what names it here is not believed before a slot has opened with it. */
function vaultIdsIn(p: Primitives, { record, headers }: StoreFiles): ReadonlySet<string> {
  const ids = new Set<string>()
  if (record) {
    const root = readable(() => claimedSigner(record))
    if (root) ids.add(vaultIdOf(p, root))
  }
  for (const statement of headers.values()) {
    const id = readable(() => claimedVault(statement))
    if (id !== undefined) ids.add(id)
  }
  return ids
}

function claimedVault(statement: Uint8Array): string | undefined {
  const { b } = fromCbor(statement, 'snapshot') as { readonly b?: unknown }
  if (!(b instanceof Uint8Array)) return undefined
  const { vault } = fromCbor(b, 'snapshot') as { readonly vault?: unknown }
  return typeof vault === 'string' ? vault : undefined
}

async function openSlots(
  p: Primitives,
  id: string,
  slots: readonly Slot[],
  secret: Secret,
): Promise<Vault | undefined> {
  let newest: Vault | undefined
  for (const slot of slots) {
    try {
      const vault = await openOne(p, id, slots, slot, secret)
      // An older slot may lie beside the one that replaced it.
      if (vault && vault.epoch > (newest?.epoch ?? 0)) newest = vault
    } catch (error) {
      // Another operator's, or a damaged one: the next may open.
      if (!(error instanceof OcmError)) throw error
    }
  }
  return newest
}

/** Undefined for a slot of another kind than the secret's. */
async function openOne(
  p: Primitives,
  id: string,
  slots: readonly Slot[],
  slot: Slot,
  secret: Secret,
): Promise<Vault | undefined> {
  if (slot.kind === 'recovery' && 'recoveryCode' in secret) {
    return openRecoverySlot(p, id, slot, secret.recoveryCode)
  }
  if (slot.kind === 'passphrase' && 'passphrase' in secret) {
    return newestOf(p, slots, await openPassphraseSlot(p, id, slot, secret.passphrase))
  }
  return undefined
}

/** A new epoch that began while this operator was not there was handed over in a slot of its own. */
function newestOf(p: Primitives, slots: readonly Slot[], opened: OpenedVault): Vault {
  let newest = opened.vault
  for (const slot of slots) {
    if (slot.kind !== 'handover' || slot.operator !== opened.operator.id) continue
    const handed = readable(() => openHandover(p, opened, slot))
    if (handed && handed.epoch > newest.epoch) newest = handed
  }
  return newest
}

export function listStore(
  p: Primitives,
  { vault, record }: OpenedStore,
  { headers }: StoreFiles,
): StoredSnapshots {
  const damaged: string[] = []
  const snapshots: Judged[] = []
  for (const [name, statement] of headers) {
    const one = readable(() => judged(p, record, name, statement))
    if (one && one.header.vault === vault.id) snapshots.push(one)
    else damaged.push(name)
  }
  const disputed = disputedIn(snapshots)
  return {
    damaged,
    snapshots: snapshots
      .map((one) => ({ ...one, disputed: disputed.has(one.id) }))
      .toSorted(byNodeNewestFirst),
  }
}

type Judged = Omit<StoredSnapshot, 'disputed'>

/** Of one node and one key: what others sign in a node's name says nothing about the node's own. */
const signerOf = ({ header, signer }: Judged): string => `${header.node} ${hex(signer)}`

/** The ids of headers that cannot all be one chain. Where one was pruned, nothing is said of its place. */
function disputedIn(snapshots: readonly Judged[]): ReadonlySet<string> {
  const places = Map.groupBy(snapshots, (one) => `${signerOf(one)} ${one.header.seq}`)
  const disputed = new Set<string>()
  for (const one of snapshots) {
    const { seq, prev } = one.header
    const before = places.get(`${signerOf(one)} ${seq - 1}`) ?? []
    const beside = places.get(`${signerOf(one)} ${seq}`) ?? []
    const follows = (seq === 1) === (prev === null) && before.every(({ id }) => id === prev)
    if (!follows) for (const { id } of [one, ...before]) disputed.add(id)
    if (beside.length > 1) disputed.add(one.id)
  }
  return disputed
}

function judged(
  p: Primitives,
  record: VaultRecord | undefined,
  name: string,
  statement: Uint8Array,
): Judged | undefined {
  const id = snapshotIdOf(p, statement)
  if (id !== name) return undefined
  const signer = claimedSigner(statement)
  const header = readSnapshot(p, signer, statement)
  const isOf = (node: { readonly id: string; readonly key: Uint8Array }) =>
    node.id === header.node && equal(node.key, signer)
  const isRetired =
    record?.retired?.some(isOf) ?? record?.revoked.some((key) => equal(key, signer)) ?? false
  const standing = record?.nodes.some(isOf) ? 'confirmed' : isRetired ? 'retired' : 'unknown'
  return { id, header, statement, signer, standing }
}

function byNodeNewestFirst(a: Judged, b: Judged): number {
  if (a.header.node !== b.header.node) return a.header.node < b.header.node ? -1 : 1
  return b.header.seq - a.header.seq || (a.id < b.id ? -1 : 1)
}

export interface Choice {
  /** An id or the beginning of one, or 'latest'. */
  readonly snapshot?: string
  /** An id or the beginning of one. */
  readonly node?: string
}

/**
 * The snapshot that is meant. Without a name it is the newest of the one node there is, confirmed ones before others.
 * @throws OcmError 'not-found', 'wrong-use' when it fits several, or it cannot be said which is the newest
 */
export function chooseSnapshot(
  snapshots: readonly StoredSnapshot[],
  { snapshot, node }: Choice,
): StoredSnapshot {
  const ofNode = snapshots.filter(({ header }) => header.node.startsWith(node ?? ''))
  if (snapshot !== undefined && snapshot !== 'latest') {
    const fitting = ofNode.filter(({ id }) => id.startsWith(snapshot))
    if (fitting.length > 1) {
      throw new OcmError('wrong-use', { what: `“${snapshot}” fits more than one snapshot` })
    }
    if (fitting[0] === undefined || snapshot === '')
      throw new OcmError('not-found', { what: 'snapshot' })
    return fitting[0]
  }
  const of = (wanted: Standing) => ofNode.filter(({ standing }) => standing === wanted)
  // Nobody can put a snapshot of their own before those of a node that operators have confirmed, in its name or another.
  const offered = [of('confirmed'), of('retired')].find((some) => some.length > 0) ?? ofNode
  const signers = new Set(offered.map(signerOf))
  if (signers.size > 1) {
    throw new OcmError('wrong-use', {
      what: 'There are snapshots of several nodes; --node or --snapshot says which',
    })
  }
  const [newest] = offered
  if (newest === undefined) throw new OcmError('not-found', { what: 'snapshot' })
  if (offered.some(({ disputed }) => disputed)) {
    throw new OcmError('wrong-use', {
      what: 'These snapshots are no single chain, so none is the latest; --snapshot says which',
    })
  }
  return newest
}

/** A damaged or foreign file is as good as none: what else is there may still do. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof OcmError) return undefined
    throw error
  }
}
