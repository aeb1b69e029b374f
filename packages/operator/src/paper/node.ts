/** A node that is one object, for tests: it joins, describes itself and takes snapshots as an agent would. */
import {
  NO_METRICS,
  type Entry,
  type ExtentRef,
  type KeyPair,
  type Layout,
  type Manifest,
  type ManifestRoot,
  type NodeState,
  PackWriter,
  type Primitives,
  type Run,
  type SnapshotState,
  type TargetFacts,
  type VaultRecord,
  base64url,
  compareBytes,
  concat,
  fromHex,
  hex,
  makeEnrolment,
  makeStatement,
  manifestPages,
  newId,
  readJoinString,
  sealFacts,
  sealManifestRoot,
  signSnapshot,
  snapshotIdOf,
  startRun,
  toCbor,
  utf8,
} from '@ocm/protocol'
import type { PaperHub } from './hub.ts'

export interface PaperNode {
  readonly id: string
  readonly identity: KeyPair
  readonly layout: Layout
}

const STATEMENT_OF_NOBODY = { ticket: '', enrolment: '' }

/** @param ticket its statement and the join string; without one the node is enrolled unproven. */
export function joinNode(
  p: Primitives,
  hub: PaperHub,
  label: string,
  ticket?: { readonly statement: string; readonly join: string },
): PaperNode {
  const identity = p.ed25519Pair()
  const id = newId(p)
  const enrolment =
    ticket && makeEnrolment(p, readJoinString(p, ticket.join), identity.public).statement
  const state: NodeState = {
    id,
    label,
    key: base64url(identity.public),
    confirmed: false,
    state: 'active',
    online: true,
    lastSeenAt: 0,
    enrolledAt: 0,
    agentVersion: '0.1.0',
    movedTo: null,
    lastSnapshot: null,
    job: null,
    proof:
      ticket && enrolment
        ? { ticket: ticket.statement, enrolment: base64url(enrolment) }
        : STATEMENT_OF_NOBODY,
  }
  hub.nodes.push(state)
  return { id, identity, layout: layoutOf(label) }
}

const layoutOf = (user: string): Layout => ({
  platform: 'linux',
  hostname: `host-of-${user}`,
  user,
  uid: 1000,
  roots: { home: `/home/${user}`, state: `/home/${user}/state` },
  port: 18_789,
  versions: { openclaw: '2026.9.6', schemas: {}, node: '24.21.0', agent: '0.1.0' },
})

/** Answers the next question for a description; @returns the job key that only the node has. */
export function describeSelf(
  p: Primitives,
  hub: PaperHub,
  record: VaultRecord,
  node: PaperNode,
  more: Partial<TargetFacts> = {},
): { readonly jobKey: KeyPair; readonly facts: TargetFacts } {
  const jobKey = p.x25519Pair()
  const about = { node: node.id, nonce: p.random(32), jobKey: jobKey.public }
  const facts: TargetFacts = {
    layout: node.layout,
    occupied: false,
    freeBytes: { home: 1e12, state: 1e12 },
    gateway: { kind: 'process', running: false },
    portsInUse: [],
    fenced: false,
    readOnlyConfig: false,
    trial: { isolated: true },
    ...more,
  }
  const sealed = sealFacts(p, record.sealing, about, facts)
  const body = { v: 1, ...about, facts: sealed }
  hub.descriptions.set(node.id, makeStatement(p, 'description', body, node.identity))
  return { jobKey, facts }
}

export interface PaperFile {
  readonly path: string
  readonly content: string
  readonly travel: Entry['travel']
}

/** Takes a snapshot with each file in a pack of its own. @returns its id */
export function takeSnapshot(
  p: Primitives,
  hub: PaperHub,
  record: VaultRecord,
  node: PaperNode,
  files: readonly PaperFile[],
  seq = 1,
  meta: Partial<Manifest> = {},
): string {
  const { vault, epoch, sealing } = record
  const run = startRun(p, { vault, epoch, sealing, node: node.id })
  const packs: ManifestRoot['packs'] = []
  const entries = files.map(({ path, content, travel }): Entry => {
    const bytes = utf8(content)
    return {
      root: 'state',
      path: utf8(path),
      kind: 'file',
      section: 'gateway',
      travel,
      mode: 0o600,
      modifiedAt: 0,
      size: bytes.length,
      sha256: p.sha256(bytes),
      extents: store(p, hub, run, packs, 'state', [bytes]),
    }
  })
  return commitEntries(p, hub, record, node, { run, packs, entries, seq, meta })
}

/** Each part is one extent; all of them one segment of a new pack. */
function store(
  p: Primitives,
  hub: PaperHub,
  run: Run,
  packs: ManifestRoot['packs'],
  packClass: 'state' | 'tree',
  parts: readonly Uint8Array[],
): ExtentRef[] {
  const plain = concat(...parts)
  const writer = new PackWriter(p, run, packClass)
  writer.add({ stored: plain, plainBytes: plain.length, zstd: false })
  const { id, bytes, header } = writer.finish()
  hub.packs.set(id, bytes)
  packs.push({ id: fromHex(id), bytes: bytes.length, class: packClass, header })
  let at = 0
  return parts.map((part) => {
    at += part.length
    return [fromHex(id), 0, at - part.length, part.length]
  })
}

export interface Taken {
  readonly run: Run
  /** Those of the entries; that of the pages is added. */
  readonly packs: ManifestRoot['packs']
  readonly entries: readonly Entry[]
  readonly seq: number
  /** What the manifest says beside the entries. */
  readonly meta?: Partial<Manifest>
}

/** Signs a snapshot of entries whose contents are stored. @returns its id */
export function commitEntries(
  p: Primitives,
  hub: PaperHub,
  record: VaultRecord,
  node: PaperNode,
  { run, packs, entries, seq, meta = {} }: Taken,
): string {
  const { vault, epoch, sealing } = record
  const pages = [...manifestPages({ ...manifestOf(node, entries), ...meta })]
  const refs = store(p, hub, run, packs, 'tree', pages)
  const root: ManifestRoot = {
    v: 1,
    pages: pages.map((page, n) => ({
      bytes: page.length,
      sha256: p.sha256(page),
      extents: [refs[n] as ExtentRef],
    })),
    packs: packs.toSorted((a, b) => compareBytes(a.id, b.id)),
  }
  const about = { vault, epoch, node: node.id, seq, run: run.id }
  const statement = signSnapshot(
    p,
    {
      v: 1,
      ...about,
      prev: null,
      trigger: 'manual',
      startedAt: 0,
      finishedAt: 0,
      packs: root.packs.map(({ id, bytes, class: packClass }) => ({
        id: hex(id),
        bytes,
        class: packClass,
        liveBytes: 0,
      })),
      root: sealManifestRoot(p, sealing, about, toCbor(root)),
      metrics: NO_METRICS,
      versions: { agent: '0.1.0', openclaw: '2026.9.6', schemas: {} },
    },
    node.identity,
  )
  const id = snapshotIdOf(p, statement)
  const state: SnapshotState = {
    id,
    node: node.id,
    seq,
    trigger: 'manual',
    startedAt: 0,
    finishedAt: 0,
    receivedAt: 0,
    openclaw: '2026.9.6',
    metrics: NO_METRICS,
    storedBytes: 0,
    pinned: false,
    prunedAt: null,
    damaged: 0,
  }
  hub.snapshots.unshift(state)
  hub.headers.set(id, { header: base64url(statement), nodeKey: base64url(node.identity.public) })
  return id
}

const manifestOf = ({ layout }: PaperNode, entries: readonly Entry[]): Manifest => ({
  v: 1,
  layout,
  inventory: null,
  config: {},
  holdings: [],
  warnings: [],
  startedAt: 0,
  entries,
  omissions: [],
  mentions: [],
})
