/** A whole small snapshot: packs, pages, root, grants, and what a hub or a node can do to them. */
import { expect, test } from 'vitest'
import { concat, fromHex, hex, utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import { OcmError } from '../errors.ts'
import type { Entry, ExtentRef, Manifest, ManifestRoot, Section } from '../manifest.ts'
import { browserPrimitives } from '../primitives/browser.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { createVault } from '../vault.ts'
import { grantFor, packsFor } from './grant.ts'
import { PAGE_MAX_ITEMS } from './limits.ts'
import { manifestFromPages, manifestPages } from './manifest-pages.ts'
import { type FinishedPack, PackWriter, type Run, startRun } from './pack.ts'
import {
  type OpenerOf,
  Packs,
  decodeRoot,
  openerByGrants,
  openerByVault,
  readEntry,
  readManifest,
} from './reader.ts'

const vault = createVault(p)
const node = '11'.repeat(16)
const opener = { sealing: vault.sealing, node }

const meta: Omit<Manifest, 'entries' | 'omissions' | 'mentions'> = {
  v: 1,
  layout: {
    platform: 'linux',
    hostname: 'one',
    user: 'ada',
    uid: 1000,
    roots: { home: '/home/ada', state: '/home/ada/state' },
    port: 18789,
    versions: { openclaw: '1', schemas: { agent: 3 }, node: '24', agent: '0.1.0' },
  },
  inventory: null,
  config: { a: [1, { b: null }] },
  holdings: [],
  warnings: [],
  startedAt: 1,
}

const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
  root: 'state',
  path: utf8(path),
  kind: 'directory',
  section: 'gateway',
  travel: 'always',
  mode: 0o755,
  modifiedAt: 1_700_000_000_000.25,
  size: 0,
  ...more,
})

const fileEntry = (path: string, section: Section, content: Uint8Array, ref: ExtentRef): Entry =>
  entry(path, {
    kind: 'file',
    section,
    mode: 0o600,
    size: content.length,
    sha256: p.sha256(content),
    extents: [ref],
  })

const manifest = (entries: readonly Entry[]): Manifest => ({
  ...meta,
  entries,
  omissions: [],
  mentions: [],
})

function packed(run: Run, packClass: FinishedPack['class'], contents: readonly Uint8Array[]) {
  const writer = new PackWriter(p, run, packClass)
  const plain = concat(...contents)
  writer.add({ stored: plain, plainBytes: plain.length, zstd: false })
  const pack = writer.finish()
  let at = 0
  const refs = contents.map((content): ExtentRef => {
    at += content.length
    return [fromHex(pack.id), 0, at - content.length, content.length]
  })
  return { pack, refs }
}

/** Two files of two classes, and a manifest that `change` may spoil. */
function snapshot(change: (manifest: Manifest) => Manifest = (m) => m) {
  const run = startRun(p, { vault: vault.id, epoch: 1, sealing: vault.sealing.public, node })
  const [config, env] = [utf8('{ "port": 1 }'), utf8('KEY=1234')]
  const state = packed(run, 'state', [config])
  const secret = packed(run, 'secret', [env])
  const whole = manifest([
    entry(''),
    fileEntry('config', 'gateway', config, state.refs[0] as ExtentRef),
    fileEntry('env', 'environment', env, secret.refs[0] as ExtentRef),
  ])
  const pages = manifestPages(change(whole))
  const tree = packed(run, 'tree', pages)
  const packs = [state.pack, secret.pack, tree.pack]
  const root: ManifestRoot = {
    v: 1,
    pages: pages.map((page, i) => ({
      bytes: page.length,
      sha256: p.sha256(page),
      extents: [tree.refs[i] as ExtentRef],
    })),
    packs: packs.map((pack) => ({
      id: fromHex(pack.id),
      bytes: pack.bytes.length,
      class: pack.class,
      header: pack.header,
    })),
  }
  const stored = new Map(packs.map((pack) => [pack.id, pack.bytes]))
  return { run, root, stored, state: state.pack, secret: secret.pack, tree: tree.pack }
}

const reading = (
  { root, stored }: Pick<ReturnType<typeof snapshot>, 'root' | 'stored'>,
  openerOf: OpenerOf = openerByVault(opener),
  primitives = p,
) =>
  new Packs(
    primitives,
    decodeRoot(toCbor(root)),
    (id, offset, length) => {
      const bytes = stored.get(id)
      if (!bytes) throw new OcmError('pack-missing', { pack: id })
      return Promise.resolve(bytes.subarray(offset, offset + length))
    },
    openerOf,
  )

async function contentOf(packs: Packs, of: Entry): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of readEntry(packs, of)) parts.push(part)
  return Buffer.concat(parts).toString()
}

const named = (m: Manifest, path: string) =>
  m.entries.find((e) => Buffer.from(e.path).toString() === path) as Entry

const refused = (code: string) => expect.objectContaining({ code })

test('a snapshot is read back with the vault, on both platforms', async () => {
  const taken = snapshot()
  for (const primitives of [p, browserPrimitives]) {
    const packs = reading(taken, undefined, primitives)
    const read = await readManifest(packs)
    expect(read).toMatchObject({ ...meta })
    expect(read.entries.map((e) => Buffer.from(e.path).toString())).toEqual(['', 'config', 'env'])
    expect(await contentOf(packs, named(read, 'env'))).toBe('KEY=1234')
    expect(await contentOf(packs, named(read, 'config'))).toBe('{ "port": 1 }')
  }
})

test('a grant of what was chosen opens that and nothing else', async () => {
  const taken = snapshot()
  const all = await readManifest(reading(taken))
  const wanted = packsFor(taken.root, all, (e) => e.section !== 'environment')
  expect([...wanted].toSorted()).toEqual([taken.state.id, taken.tree.id].toSorted())
  const starts = new Map([...taken.stored].map(([id, bytes]) => [id, bytes.subarray(0, 4200)]))
  const grant = grantFor(p, opener, taken.root, wanted, starts)
  expect(grant.map(([pack]) => hex(pack))).toEqual([...wanted].toSorted())

  const packs = reading(taken, openerByGrants(grant))
  const read = await readManifest(packs)
  expect(await contentOf(packs, named(read, 'config'))).toBe('{ "port": 1 }')
  await expect(contentOf(packs, named(read, 'env'))).rejects.toEqual(refused('seal-broken'))
  for (const [, key] of grant) expect(hex(key)).not.toBe(hex(taken.run.key))
})

test('a hub that shows the header of another pack gets no key of it', async () => {
  const taken = snapshot()
  const other = packed(taken.run, 'state', [utf8('an older version')]).pack
  for (const shown of [taken.secret, other]) {
    const starts = new Map([[taken.state.id, shown.bytes]])
    expect(() => grantFor(p, opener, taken.root, [taken.state.id], starts)).toThrow(
      new OcmError('pack-damaged', { pack: taken.state.id }),
    )
  }
  expect(() => grantFor(p, opener, taken.root, [taken.state.id], new Map())).toThrow(
    new OcmError('pack-missing', { pack: taken.state.id }),
  )
})

test('a node that names a pack of another node in its root gets no key of it', async () => {
  const taken = snapshot()
  const other = startRun(p, {
    vault: vault.id,
    epoch: 1,
    sealing: vault.sealing.public,
    node: '22'.repeat(16),
  })
  const theirs = packed(other, 'state', [utf8('of another node')]).pack
  const listed = {
    id: fromHex(theirs.id),
    bytes: theirs.bytes.length,
    class: theirs.class,
    header: theirs.header,
  }
  const root = { ...taken.root, packs: [...taken.root.packs, listed] }
  expect(() =>
    grantFor(p, opener, root, [theirs.id], new Map([[theirs.id, theirs.bytes]])),
  ).toThrow(new OcmError('pack-damaged', { pack: theirs.id }))
  const stored = new Map([...taken.stored, [theirs.id, theirs.bytes]])
  const packs = reading({ root, stored })
  await expect(packs.extent([listed.id, 0, 0, 1])).rejects.toEqual(refused('pack-damaged'))
})

test('a pack that the hub put in the place of another is refused, even with a key the hub knows', async () => {
  const taken = snapshot()
  const forged = packed(
    startRun(p, { vault: vault.id, epoch: 1, sealing: vault.sealing.public, node }),
    'state',
    [utf8('{ "port": 9 }')],
  ).pack
  const stored = new Map([...taken.stored, [taken.state.id, forged.bytes]])
  const packs = reading({ root: taken.root, stored })
  const read = await readManifest(packs)
  await expect(contentOf(packs, named(read, 'config'))).rejects.toEqual(refused('pack-damaged'))
})

test('content that is not what the manifest says is refused at its end', async () => {
  const taken = snapshot((m) => ({
    ...m,
    entries: m.entries.map((e) => (e.sha256 ? { ...e, sha256: p.sha256(utf8('else')) } : e)),
  }))
  const packs = reading(taken)
  const read = await readManifest(packs)
  await expect(contentOf(packs, named(read, 'config'))).rejects.toEqual(refused('pack-damaged'))
})

test('a pack that is missing says so', async () => {
  const taken = snapshot()
  taken.stored.delete(taken.tree.id)
  await expect(readManifest(reading(taken))).rejects.toEqual(refused('pack-missing'))
})

test.each(['../x', 'a/../../x', '/etc/passwd', 'a//b', 'a/', './a', 'a\0b', '..'])(
  'a manifest with the path %j is refused',
  async (path) => {
    const taken = snapshot((m) => ({ ...m, entries: [...m.entries, entry(path)] }))
    await expect(readManifest(reading(taken))).rejects.toEqual(refused('malformed'))
  },
)

test.each<[string, Entry[]]>([
  ['one path twice', [entry('a'), entry('a')]],
  [
    'something inside a link',
    [entry('a', { kind: 'link', target: utf8('/etc'), size: 4 }), entry('a/b/c')],
  ],
  ['a link of another size', [entry('a', { kind: 'link', target: utf8('/etc'), size: 5 })]],
  ['a link with a zero byte', [entry('a', { kind: 'link', target: utf8('a\0b'), size: 3 })]],
  ['a directory with a size', [entry('a', { size: 1 })]],
  ['a directory with a hash', [entry('a', { sha256: new Uint8Array(32) })]],
  ['a file without content', [entry('a', { kind: 'file' })]],
  ['a link that leads nowhere', [entry('a', { kind: 'link', target: new Uint8Array(0) })]],
  [
    'a size that its extents do not have',
    [
      entry('a', {
        kind: 'file',
        size: 5,
        sha256: new Uint8Array(32),
        extents: [[new Uint8Array(32), 0, 0, 4]],
      }),
    ],
  ],
])('a manifest with %s is refused', (_, entries) => {
  expect(() => manifestFromPages(manifestPages(manifest(entries)))).toThrow(
    new OcmError('malformed', { what: 'manifest' }),
  )
})

test.each<[string, Record<string, string>]>([
  ['a relative root', { state: 'srv' }],
  ['a root with a way out', { state: '/home/../state' }],
  ['a root with an empty name', { state: '/home//state' }],
  ['a root that ends in a slash', { state: '/home/' }],
  ['a root with a zero', { state: '/ho\0me' }],
  ['a root of another name', { 'extra:a/b': '/srv' }],
])('a manifest with %s is refused', (_, more) => {
  const roots = { ...meta.layout.roots, ...more }
  const spoilt = { ...manifest([]), layout: { ...meta.layout, roots } }
  expect(() => manifestFromPages(manifestPages(spoilt))).toThrow(refused('malformed'))
})

test('a manifest whose entries have no place is refused', () => {
  const foreign = manifest([entry('a', { root: 'extra:there' })])
  expect(() => manifestFromPages(manifestPages(foreign))).toThrow(refused('malformed'))
  const { home } = meta.layout.roots as { home: string }
  const homeOnly = { ...manifest([]), layout: { ...meta.layout, roots: { home } } }
  expect(() => manifestFromPages(manifestPages(homeOnly))).toThrow(refused('malformed'))
})

test('a page that claims to be huge is refused before anything is fetched', async () => {
  const taken = snapshot()
  const [page, ...rest] = taken.root.pages as [ManifestRoot['pages'][number]]
  const huge = 2 ** 40
  for (const pages of [
    [{ ...page, bytes: huge }, ...rest],
    [{ ...page, extents: [[fromHex(taken.tree.id), 0, 0, huge] satisfies ExtentRef] }, ...rest],
    [{ ...page, bytes: huge, extents: [[fromHex(taken.tree.id), 0, 0, huge] satisfies ExtentRef] }],
  ]) {
    const packs = reading({ root: { ...taken.root, pages }, stored: new Map() })
    await expect(readManifest(packs)).rejects.toEqual(refused('malformed'))
  }
})

test('a page may not be read out of packs that are not of class tree', async () => {
  const taken = snapshot()
  const root = {
    ...taken.root,
    packs: taken.root.packs.map((pack) =>
      hex(pack.id) === taken.tree.id ? { ...pack, class: 'bulk' as const } : pack,
    ),
  }
  await expect(readManifest(reading({ root, stored: taken.stored }))).rejects.toEqual(
    refused('pack-damaged'),
  )
})

const many = (count: number, prefix = 'file') =>
  Array.from({ length: count }, (_, i) => entry(`${prefix}-${String(i).padStart(5, '0')}`))

const pagesOf = (entries: readonly Entry[]) => manifestPages(manifest(entries)).map(hex)

test('pages do not depend on the order in which things were found', () => {
  const entries = many(3000)
  expect(pagesOf(entries.toReversed())).toEqual(pagesOf(entries))
})

test('one new file dirties one page, and sections do not share pages', () => {
  const workspaces = many(4000).map((e): Entry => ({ ...e, section: 'workspaces' }))
  const credentials = many(10, 'key').map((e): Entry => ({ ...e, section: 'credentials' }))
  const before = manifestPages(manifest([...workspaces, ...credentials])).map(hex)
  const after = manifestPages(
    manifest([...workspaces, ...credentials, entry('file-00000b', { section: 'workspaces' })]),
  ).map(hex)
  expect(after.filter((page) => !before.includes(page)).length).toBeLessThanOrEqual(2)
  expect(before.length).toBeGreaterThan(6)
  const changed = manifestPages(
    manifest([...workspaces, ...credentials.map((e) => ({ ...e, mode: 0o600 }))]),
  ).map(hex)
  expect(changed.filter((page) => !before.includes(page)).length).toBe(1)
})

test('no page holds more than its limit, whatever things are called', () => {
  const same = Array.from({ length: 5000 }, () => ({
    root: 'state',
    path: utf8('one'),
    why: 'special' as const,
  }))
  const pages = manifestPages({ ...meta, entries: [], omissions: same, mentions: [] })
  expect(pages.length).toBe(1 + Math.ceil(5000 / PAGE_MAX_ITEMS))
  expect(manifestFromPages(pages).omissions.length).toBe(5000)
})
