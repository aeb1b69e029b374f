/** Really sealed snapshots of trees of the rig. */
import type { Delta } from '@ocm/agent'
import {
  NO_METRICS,
  contentHash,
  type Entry,
  type ExtentRef,
  type Grant,
  type KeyPair,
  type Manifest,
  PackWriter,
  fromHex,
  hex,
  manifestPages,
  sealManifestRoot,
  signSnapshot,
  snapshotIdOf,
  startRun,
  toCbor,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { inventoryIn } from './node.ts'
import { MODIFIED, type Place, type Tree, layoutOf, modeOf, split } from './trees.ts'
import { vault } from './vault.ts'

export interface Snapshot {
  readonly id: string
  readonly header: Uint8Array
  readonly root: Uint8Array
  readonly manifest: Manifest
  readonly packs: ReadonlyMap<string, Uint8Array>
  /** Keys of the packs that this run wrote. */
  readonly keys: Grant['packs']
  /** Where each content lies, by its SHA-256, for the snapshot after this one. */
  readonly refs: ReadonlyMap<string, readonly ExtentRef[]>
  readonly listed: readonly {
    id: string
    bytes: number
    class: 'state' | 'tree'
    header: Uint8Array
  }[]
}

const SEGMENT = 512 * 1024

const add = (writer: PackWriter, bytes: Uint8Array) => {
  const segments: (readonly [number, number])[] = []
  for (let at = 0; at < bytes.length; at += SEGMENT) {
    const plain = bytes.subarray(at, at + SEGMENT)
    segments.push([
      writer.add({ stored: plain, plainBytes: plain.length, zstd: false }),
      plain.length,
    ])
  }
  return segments
}

const bytesOf = (content: string | Uint8Array) =>
  typeof content === 'string' ? utf8(content) : content

/** @param base a snapshot whose packs are referred to for what has not changed. */
export function snapshotOf(
  place: Pick<Place, 'home' | 'port'>,
  tree: Tree,
  of: {
    readonly node: string
    readonly key: KeyPair
    readonly base?: Snapshot
    readonly entries?: readonly Entry[]
    readonly ties?: Manifest['ties']
    readonly omissions?: Manifest['omissions']
  },
): Snapshot {
  const run = startRun(p, {
    vault: vault.id,
    epoch: 1,
    sealing: vault.sealing.public,
    node: of.node,
  })
  const state = new PackWriter(p, run, 'state')
  const refs = new Map(of.base?.refs)
  const pending: { sha: string; segments: readonly (readonly [number, number])[] }[] = []
  for (const content of Object.values(tree)) {
    if (content === null || (typeof content === 'string' && content.startsWith('@'))) continue
    const bytes = bytesOf(content)
    const sha = hex(p.sha256(bytes))
    if (refs.has(sha) || pending.some((one) => one.sha === sha)) continue
    pending.push({ sha, segments: add(state, bytes) })
  }
  const packs = new Map<string, Uint8Array>()
  const packKeys: [Uint8Array, Uint8Array][] = []
  const listed = [...(of.base?.listed ?? [])]
  const finish = (writer: PackWriter) => {
    const pack = writer.finish()
    packs.set(pack.id, pack.bytes)
    packKeys.push([fromHex(pack.id), pack.key])
    listed.push({
      id: pack.id,
      bytes: pack.bytes.length,
      class: pack.class as 'state' | 'tree',
      header: pack.header,
    })
    return fromHex(pack.id)
  }
  if (pending.length > 0) {
    const id = finish(state)
    for (const { sha, segments } of pending) {
      refs.set(
        sha,
        segments.map(([number, length]) => [id, number, 0, length]),
      )
    }
  }

  const entries = Object.entries(tree).map(([key, content]): Entry => {
    const [rootId, inside] = split(key)
    const entry = {
      root: rootId,
      path: utf8(inside),
      section: sectionOf(key),
      travel: 'always',
      mode: content === null ? 0o755 : modeOf(key),
      modifiedAt: MODIFIED,
    } as const
    if (content === null) return { ...entry, kind: 'directory', size: 0 }
    if (typeof content === 'string' && content.startsWith('@')) {
      const target = utf8(content.slice(1))
      return { ...entry, kind: 'link', size: target.length, target }
    }
    const bytes = bytesOf(content)
    const extents = [...(refs.get(hex(p.sha256(bytes))) ?? [])]
    const kind = key.endsWith('.sqlite') ? 'database' : 'file'
    const hash = contentHash(p, kind, bytes.length)
    hash.update(bytes)
    return { ...entry, kind, size: bytes.length, sha256: hash.digest(), extents }
  })
  const layout = layoutOf(place)
  const manifest: Manifest = {
    v: 1,
    layout,
    inventory: inventoryIn(String(tree['state:config.json'])),
    config: {},
    holdings: [],
    warnings: [],
    ...(of.ties ? { ties: of.ties } : {}),
    startedAt: 0,
    entries: [...entries, ...(of.entries ?? [])],
    omissions: of.omissions ?? [],
    mentions: [],
  }
  const treePack = new PackWriter(p, run, 'tree')
  const pages = manifestPages(manifest).map((page) => ({ page, segments: add(treePack, page) }))
  const treeId = finish(treePack)
  listed.sort((a, b) => (a.id < b.id ? -1 : 1))
  const rootBytes = toCbor({
    v: 1,
    pages: pages.map(({ page, segments }) => ({
      bytes: page.length,
      sha256: p.sha256(page),
      extents: segments.map(([number, length]) => [treeId, number, 0, length]),
    })),
    packs: listed.map((pack) => ({ ...pack, id: fromHex(pack.id) })),
  })
  const seq = of.base ? 2 : 1
  const context = { vault: vault.id, epoch: 1, node: of.node, seq, run: run.id }
  const header = signSnapshot(
    p,
    {
      v: 1,
      ...context,
      prev: of.base?.id ?? null,
      trigger: of.base ? 'move' : 'manual',
      startedAt: 0,
      finishedAt: 0,
      packs: listed.map(({ id, bytes, class: packClass }) => ({
        id,
        bytes,
        class: packClass,
        liveBytes: 0,
      })),
      root: sealManifestRoot(p, vault.sealing.public, context, rootBytes),
      metrics: NO_METRICS,
      versions: { agent: '', openclaw: '1.2.3', schemas: {} },
    },
    of.key,
  )
  return {
    id: snapshotIdOf(p, header),
    header,
    root: rootBytes,
    manifest,
    packs: new Map([...(of.base?.packs ?? []), ...packs]),
    keys: packKeys,
    refs,
    listed,
  }
}

const sectionOf = (key: string): Entry['section'] =>
  key.startsWith('state:extensions')
    ? 'plugins'
    : key.startsWith('state:')
      ? 'gateway'
      : 'workspaces'

export const deltaOf = (snapshot: Snapshot): Delta => ({
  snapshot: snapshot.id,
  header: snapshot.header,
  packKeys: snapshot.keys,
  root: snapshot.root,
})
