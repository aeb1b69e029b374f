/**
 * The signed header of a snapshot: all that the hub sees. It is chained to the header before it, so that a hidden or
 * forked history is noticed. `metrics` is a closed list without names (docs/security.md).
 */
import { type Static, Type } from 'typebox'
import { hex } from './bytes.ts'
import { OcmError } from './errors.ts'
import { IdentityPrint, MAX_PRINTS } from './fleet.ts'
import { Hash, Id, type SnapshotId } from './ids.ts'
import { PackList } from './manifest.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { openSealed, sealTo } from './sealing.ts'
import { Bytes, Count, Millis, Strict } from './shapes.ts'
import { makeStatement, readStatement } from './statements.ts'

export const Trigger = Type.Enum(['manual', 'schedule', 'move', 'before-apply'])
export type Trigger = Static<typeof Trigger>

/** Integers by kind; no names, no paths, no text from the node. */
export const Metrics = Strict({
  files: Count,
  directories: Count,
  links: Count,
  databases: Count,
  bytes: Count,
  /** Plaintext bytes newly stored by this run, and what they took when sealed. */
  newBytes: Count,
  storedBytes: Count,
  unstable: Count,
  omitted: Count,
  unreadable: Count,
  warnings: Count,
  personas: Count,
  cronJobs: Count,
  authProfiles: Count,
  plugins: Count,
  skills: Count,
  channels: Count,
  pairings: Count,
  sessions: Count,
})
export type Metrics = Static<typeof Metrics>

/** Of a snapshot of nothing. */
export const NO_METRICS = Object.fromEntries(
  Object.keys(Metrics.properties).map((name) => [name, 0]),
) as Metrics

export const SnapshotHeader = Strict({
  v: Type.Literal(1),
  vault: Id,
  epoch: Count,
  node: Id,
  /** 1 for the node's first snapshot, then one more each. */
  seq: Type.Integer({ minimum: 1 }),
  /** The id of the snapshot before, null for the first. */
  prev: Type.Union([Hash, Type.Null()]),
  run: Id,
  trigger: Trigger,
  startedAt: Millis,
  finishedAt: Millis,
  packs: PackList,
  /** The ManifestRoot, sealed to the vault. */
  root: Bytes(),
  metrics: Metrics,
  versions: Strict({
    agent: Type.String({ maxLength: 32 }),
    openclaw: Type.String({ maxLength: 32 }),
    schemas: Type.Record(Type.String(), Count),
  }),
  /** What this node was before a move: the node and snapshot it took over. */
  continues: Type.Optional(Strict({ node: Id, snapshot: Hash })),
  /** What only one node may go by; absent when this node has no fleet key. Sorted, each once. */
  fingerprints: Type.Optional(Type.Array(IdentityPrint, { maxItems: MAX_PRINTS })),
})
export type SnapshotHeader = Static<typeof SnapshotHeader>

export const snapshotIdOf = (p: Primitives, statement: Uint8Array): SnapshotId =>
  hex(p.sha256(statement))

export const signSnapshot = (p: Primitives, header: SnapshotHeader, node: KeyPair): Uint8Array =>
  makeStatement(p, 'snapshot', header, node)

/** @throws OcmError 'malformed' or 'signature-invalid' */
export const readSnapshot = (
  p: Primitives,
  node: Uint8Array,
  statement: Uint8Array,
): SnapshotHeader => readStatement(p, 'snapshot', SnapshotHeader, statement, [node])

const rootContext = (header: Pick<SnapshotHeader, 'vault' | 'epoch' | 'node' | 'seq' | 'run'>) => ({
  vault: header.vault,
  epoch: header.epoch,
  node: header.node,
  seq: header.seq,
  run: header.run,
})

/** Seals a CBOR-encoded ManifestRoot for the header's `root`. */
export const sealManifestRoot = (
  p: Primitives,
  sealing: Uint8Array,
  header: Pick<SnapshotHeader, 'vault' | 'epoch' | 'node' | 'seq' | 'run'>,
  root: Uint8Array,
): Uint8Array => sealTo(p, [sealing], 'manifest-root', rootContext(header), root)

export const openManifestRoot = (
  p: Primitives,
  sealing: KeyPair,
  header: SnapshotHeader,
): Uint8Array => openSealed(p, sealing, 'manifest-root', rootContext(header), header.root)

/**
 * Whether a snapshot follows the newest one known.
 * @throws OcmError 'snapshot-refused' with `why`: 'sequence' or 'chain'.
 */
export function checkFollows(
  header: SnapshotHeader,
  newest: { readonly id: SnapshotId; readonly seq: number } | undefined,
): void {
  if (header.seq !== (newest?.seq ?? 0) + 1) {
    throw new OcmError('snapshot-refused', { why: 'sequence' })
  }
  if (header.prev !== (newest?.id ?? null)) throw new OcmError('snapshot-refused', { why: 'chain' })
}
