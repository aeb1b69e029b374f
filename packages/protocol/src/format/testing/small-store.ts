/**
 * A whole store of some kilobytes: two operators, two epochs, one node with a snapshot in each, packs of every class.
 * With seeded primitives it is the same each time.
 */
import { concat, fromHex, hex, utf8 } from '../../bytes.ts'
import { toCbor } from '../../cbor.ts'
import { nextEpoch, sealEpoch } from '../../epochs.ts'
import { newId } from '../../ids.ts'
import type {
  Entry,
  ExtentRef,
  Manifest,
  ManifestMeta,
  ManifestRoot,
  Mention,
  PackClass,
} from '../../manifest.ts'
import type { KeyPair, Primitives } from '../../primitives/primitives.ts'
import {
  type SnapshotHeader,
  sealManifestRoot,
  signSnapshot,
  snapshotIdOf,
} from '../../snapshot.ts'
import {
  type OpenedVault,
  type Vault,
  type VaultRecord,
  createOperator,
  createVault,
  handoverSlot,
  listedOperator,
  operatorBox,
  passphraseSlot,
  recoverySlot,
  signVaultRecord,
} from '../../vault.ts'
import { contentHash } from '../extent.ts'
import { SECRET_STEP_BYTES } from '../limits.ts'
import { manifestPages } from '../manifest-pages.ts'
import { type FinishedPack, PackWriter, startRun } from '../pack.ts'

export const PASSPHRASES = {
  olivia: 'velvet harbour ﬁve quartz',
  oscar: 'meadow lantern osprey',
} as const
export const RECOVERY_CODE = '0123-4567-89ab-cdef-ghjk-mnpq-rstv-wxyz'
const AT = 1_764_000_000_000

/** Frames as the library of one day made them: another release may make others, and vectors have to stay. */
const FRAMES = [
  {
    lines: 40,
    frame: '28b52ffd602002dd0000a07468652073616d65206c696e6520616761696e0a0100125e3599',
  },
  {
    lines: 1000,
    frame: '28b52ffd60204de50000a07468652073616d65206c696e6520616761696e0a0100129cdb2713',
  },
].map(({ lines, frame }) => ({
  plain: utf8('the same line again\n'.repeat(lines)),
  stored: fromHex(frame),
}))
const [SHORT, LONG] = FRAMES.map(({ plain }) => plain) as [Uint8Array, Uint8Array]

export interface SmallSnapshot {
  readonly id: string
  readonly statement: Uint8Array
  readonly header: SnapshotHeader
  readonly root: Uint8Array
  readonly pages: readonly Uint8Array[]
  readonly manifest: Manifest
  readonly packs: readonly FinishedPack[]
  /** By root and path as text. */
  readonly contents: ReadonlyMap<string, Uint8Array>
}

export interface SmallStore {
  readonly vault: Vault
  readonly before: Vault
  readonly operators: {
    readonly olivia: OpenedVault['operator']
    readonly oscar: OpenedVault['operator']
  }
  readonly node: { readonly id: string; readonly key: KeyPair }
  readonly record: Uint8Array
  readonly epoch: Uint8Array
  /** olivia's of this epoch; oscar's of the one before, and what was handed over to him; the recovery code's. */
  readonly slots: Readonly<Record<'olivia' | 'oscar' | 'handover' | 'recovery', Uint8Array>>
  readonly snapshots: readonly [SmallSnapshot, SmallSnapshot]
  /** Every file of the store directory. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

export async function smallStore(p: Primitives): Promise<SmallStore> {
  const before = createVault(p)
  const vault = nextEpoch(p, before)
  const operators = { olivia: createOperator(p), oscar: createOperator(p) }
  const node = { id: newId(p), key: p.ed25519Pair() }
  const { olivia, oscar } = operators
  const record = signVaultRecord(p, vault, {
    v: 1,
    vault: vault.id,
    serial: 3,
    epoch: vault.epoch,
    sealing: vault.sealing.public,
    operators: [listedOperator(p, olivia), listedOperator(p, oscar)],
    hubs: [p.ed25519Pair().public],
    nodes: [{ id: node.id, key: node.key.public }],
    revoked: [],
    at: AT,
  } satisfies VaultRecord)
  const epoch = sealEpoch(p, before, vault)
  const slots = {
    olivia: toCbor(await passphraseSlot(p, { vault, operator: olivia }, PASSPHRASES.olivia)),
    oscar: toCbor(await passphraseSlot(p, { vault: before, operator: oscar }, PASSPHRASES.oscar)),
    handover: toCbor(handoverSlot(p, vault, oscar.id, operatorBox(p, oscar).public)),
    recovery: toCbor(recoverySlot(p, vault, RECOVERY_CODE)),
  }
  const first = snapshotIn(p, before, node, undefined)
  const second = snapshotIn(p, vault, node, first)
  const files = new Map<string, Uint8Array>([
    ['vault/record', record],
    [`vault/epoch-${before.epoch}`, epoch],
    ...Object.values(slots).map((slot) => [`vault/slot-${hex(p.sha256(slot))}`, slot] as const),
  ])
  for (const { id, statement, packs } of [first, second]) {
    files.set(`snapshots/${id}`, statement)
    for (const pack of packs) files.set(`${pack.id.slice(0, 2)}/${pack.id}`, pack.bytes)
  }
  return { vault, before, operators, node, record, epoch, slots, snapshots: [first, second], files }
}

const meta: ManifestMeta = {
  v: 1,
  layout: {
    platform: 'linux',
    hostname: 'one',
    user: 'ada',
    uid: 1000,
    roots: { home: '/home/ada', state: '/home/ada/.state', 'workspace:main': '/srv/desk' },
    port: 18_789,
    versions: { openclaw: '1.2.3', schemas: { state: 4 }, node: '24', agent: '0.1.0' },
  },
  inventory: null,
  config: { limit: 1.5, large: 1e300, list: [true, null, -7] },
  holdings: [{ what: 'pairings', section: 'channels', travel: 'identity', count: 2 }],
  warnings: [{ code: 'survey', detail: 'one' }],
  startedAt: AT,
}

/** With all that may be in it: whoever reads the format has to know each of these. */
const fullMeta: Required<ManifestMeta> = {
  ...meta,
  inventory: {
    personas: ['main'],
    cron: [
      {
        id: 'c1',
        name: 'morning',
        user: true,
        enabled: true,
        persona: 'main',
        schedule: '0 7 * * *',
      },
    ],
    authProfiles: [],
    plugins: ['weather'],
    skills: [],
    channels: ['telegram'],
    pairings: 2,
    sessions: { main: ['s1'] },
  },
  unknowns: [{ name: 'state:main.db', schema: 9, known: 4, parts: ['later', 'main.later'] }],
  blind: {
    fields: [{ at: '/tools/place', text: '/srv/place' }],
    texts: 1,
    first: [{ root: 'state', path: utf8('large'), section: 'workspaces', size: 9_000_000 }],
  },
  plugins: [{ id: 'weather', path: '/home/ada/.state/extensions/weather' }],
  views: {
    machine: ['/meta'],
    files: ['state:note'],
    environment: { LANG: 'C' },
    cron: { c1: { message: 'wake' } },
  },
  ties: [
    { part: { kind: 'cron', name: 'c1' }, way: 'needs', what: 'persona', name: 'main' },
    {
      part: { kind: 'persona', name: 'main' },
      way: 'brings',
      what: 'credential',
      name: 'main',
      identity: true,
    },
  ],
  fenceEpoch: 3,
}

const where = (root: string, path: Uint8Array | string) => ({
  root,
  path: typeof path === 'string' ? utf8(path) : path,
})
/** A path as the key of `contents`. */
export const textOf = (path: Uint8Array): string =>
  [...path].map((byte) => String.fromCharCode(byte)).join('')

function snapshotIn(
  p: Primitives,
  vault: Vault,
  node: SmallStore['node'],
  before: SmallSnapshot | undefined,
): SmallSnapshot {
  const run = startRun(p, {
    vault: vault.id,
    epoch: vault.epoch,
    sealing: vault.sealing.public,
    node: node.id,
  })
  const packs: FinishedPack[] = []
  const live = new Map<string, number>()
  const store = (packClass: PackClass, segments: readonly Uint8Array[]): Uint8Array => {
    const writer = new PackWriter(p, run, packClass)
    for (const plain of segments) {
      const frame = FRAMES.find((one) => one.plain === plain)
      writer.add({
        stored: frame?.stored ?? plain,
        plainBytes: plain.length,
        zstd: frame !== undefined,
      })
    }
    const pack = writer.finish()
    packs.push(pack)
    live.set(pack.id, 0)
    return fromHex(pack.id)
  }

  const contents = new Map<string, Uint8Array>()
  const entries: Entry[] = []
  const add = (
    kind: Entry['kind'],
    place: { root: string; path: Uint8Array },
    more: Partial<Entry> = {},
    content?: { readonly bytes: Uint8Array; readonly extents: ExtentRef[] },
  ) => {
    const size = content?.bytes.length ?? more.target?.length ?? 0
    const hash = contentHash(p, kind, size)
    if (content) {
      hash.update(content.bytes)
      contents.set(`${place.root}:${textOf(place.path)}`, content.bytes)
      for (const [pack, , , length] of content.extents) {
        live.set(hex(pack), (live.get(hex(pack)) ?? 0) + length)
      }
    }
    entries.push({
      ...place,
      kind,
      section: 'gateway',
      travel: 'always',
      mode: 0o644,
      modifiedAt: AT + 0.125,
      size,
      ...(content ? { sha256: hash.digest(), extents: content.extents } : {}),
      ...more,
    })
  }

  const seq = (before?.header.seq ?? 0) + 1
  const note = utf8(`snapshot ${seq} of a small node\n`)
  const tail = p.random(300)
  const secret = utf8('KEY=a-planted-secret\n')
  const padded = new Uint8Array(SECRET_STEP_BYTES)
  padded.set(secret)
  const state = store('state', [SHORT, concat(note, tail)])
  const bulk = store('bulk', [LONG])
  const secrets = store('secret', [padded])

  add('directory', where('state', ''), { mode: 0o700 })
  add('directory', where('state', 'empty dir'), { mode: 0o2755 })
  add('file', where('state', 'note'), {}, { bytes: note, extents: [[state, 1, 0, note.length]] })
  add('file', where('state', 'nothing'), {}, { bytes: new Uint8Array(0), extents: [] })
  add(
    'file',
    where('state', Uint8Array.of(0x66, 0xff, 0xfe)),
    { mode: 0o4711, unstable: true },
    {
      bytes: concat(SHORT, tail),
      extents: [
        [state, 0, 0, SHORT.length],
        [state, 1, note.length, tail.length],
      ],
    },
  )
  add(
    'file',
    where('state', '.env'),
    { mode: 0o600, section: 'environment' },
    { bytes: secret, extents: [[secrets, 0, 0, secret.length]] },
  )
  add(
    'database',
    where('state', 'main.db'),
    { section: 'history', persona: 'main', travel: 'identity' },
    { bytes: LONG, extents: [[bulk, 0, 0, LONG.length]] },
  )
  add('directory', where('workspace:main', ''), { section: 'workspaces', mode: 0o755 })
  add('link', where('workspace:main', 'link'), {
    section: 'workspaces',
    mode: 0o777,
    target: utf8('../no/where'),
  })

  const mention: Mention = {
    ...where('state', 'note'),
    at: '/path',
    section: 'gateway',
    kind: 'path',
    class: 'structured',
    text: '/srv/desk',
    under: 'workspace:main',
  }
  const fullMention: Required<Mention> = {
    ...mention,
    at: '/command',
    needed: true,
    missing: true,
    implied: '/srv',
  }
  const manifest: Manifest = {
    ...(before ? fullMeta : meta),
    entries,
    omissions: [{ ...where('state', 'pipe'), why: 'special' }],
    mentions: before ? [mention, fullMention] : [mention],
  }
  const pages = manifestPages(manifest)
  const tree = store('tree', [concat(...pages)])
  let offset = 0
  const root = toCbor({
    v: 1,
    pages: pages.map((page) => {
      const extents: ExtentRef[] = [[tree, 0, offset, page.length]]
      offset += page.length
      return { bytes: page.length, sha256: p.sha256(page), extents }
    }),
    packs: packs
      .map((pack) => ({
        id: fromHex(pack.id),
        bytes: pack.bytes.length,
        class: pack.class,
        header: pack.header,
      }))
      .toSorted((a, b) => (hex(a.id) < hex(b.id) ? -1 : 1)),
  } satisfies ManifestRoot)
  live.set(hex(tree), offset)

  const place = { vault: vault.id, epoch: vault.epoch, node: node.id, seq, run: run.id }
  const count = (kind: Entry['kind']) => entries.filter((entry) => entry.kind === kind).length
  const header: SnapshotHeader = {
    v: 1,
    ...place,
    prev: before?.id ?? null,
    trigger: 'manual',
    startedAt: AT,
    finishedAt: AT + 1000 * seq,
    packs: packs
      .map((pack) => ({
        id: pack.id,
        bytes: pack.bytes.length,
        class: pack.class,
        liveBytes: live.get(pack.id) ?? 0,
      }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    root: sealManifestRoot(p, vault.sealing.public, place, root),
    metrics: {
      files: count('file'),
      directories: count('directory'),
      links: count('link'),
      databases: count('database'),
      bytes: entries.reduce((bytes, entry) => bytes + entry.size, 0),
      newBytes: entries.reduce((bytes, entry) => bytes + entry.size, 0),
      storedBytes: packs.reduce((bytes, pack) => bytes + pack.bytes.length, 0),
      unstable: 1,
      omitted: 1,
      unreadable: 0,
      warnings: 1,
      personas: 1,
      cronJobs: 0,
      authProfiles: 0,
      plugins: 0,
      skills: 0,
      channels: 0,
      pairings: 2,
      sessions: 0,
    },
    versions: { agent: '0.1.0', openclaw: '1.2.3', schemas: { state: 4 } },
    ...(before
      ? { fingerprints: [{ kind: 'bot-token', print: p.random(16) }] }
      : { continues: { node: newId(p), snapshot: hex(p.random(32)) } }),
  }
  const statement = signSnapshot(p, header, node.key)
  const id = snapshotIdOf(p, statement)
  return { id, statement, header, root, pages, manifest, packs, contents }
}
