import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  existsSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OcmError, hex, pathToBytes } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readInto } from './read-into.ts'
import { stageTrees } from './staging.ts'
import { type StoredTree, type Thing, randomTree } from './testing/stored-tree.ts'
import type { PackSource } from './write-files.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocm-reading-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const onDisk = (path: string) => Buffer.from(pathToBytes(path))

/** What differs from the thing that was stored; '' when nothing does. */
function difference(root: string, { path, entry, content }: Thing): string {
  const place = onDisk(`${root}/${path}`)
  const stat = lstatSync(place, { throwIfNoEntry: false })
  if (!stat) return 'missing'
  const kind = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file'
  if (kind !== (entry.kind === 'database' ? 'file' : entry.kind)) return `is a ${kind}`
  if (kind === 'link') {
    const target = readlinkSync(place, { encoding: 'buffer' })
    return target.equals(entry.target as Uint8Array) ? '' : 'another target'
  }
  if ((stat.mode & 0o7777) !== (entry.mode & 0o777)) return `mode ${stat.mode.toString(8)}`
  if (Math.abs(stat.mtimeMs - entry.modifiedAt) > 0.01) return `time ${stat.mtimeMs}`
  if (content && !readFileSync(place).equals(content)) return 'another content'
  return ''
}

const everythingIn = (directory: Buffer): number =>
  readdirSync(directory, { encoding: 'buffer', withFileTypes: true }).reduce((sum, entry) => {
    const place = Buffer.concat([directory, Buffer.from('/'), entry.name])
    return sum + 1 + (entry.isDirectory() ? everythingIn(place) : 0)
  }, 0)

/** Directories that only stand above something. */
const implied = ({ things }: StoredTree): number => {
  const paths = new Set(things.map(({ path }) => path))
  const above = new Set<string>()
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      if (!paths.has(path.slice(0, at))) above.add(path.slice(0, at))
    }
  }
  return above.size
}

const wrongIn = (root: string, { things }: StoredTree): readonly string[] =>
  things.flatMap((thing) => {
    const why = difference(root, thing)
    return why === '' ? [] : [`${root}/${thing.path}: ${why}`]
  })

test('two hundred trees of any names, modes, sizes and holes come back equal', async () => {
  const trees = Array.from({ length: 200 }, (_, i) => randomTree(i))
  const roots = trees.map((_, i) => join(dir, String(i)))
  const news = trees.map(({ things }, i) => ({ root: roots[i] as string, items: things }))
  const staging = stageTrees(p, news)
  expect(await staging.write(together(trees))).toEqual([])
  await staging.seal()
  await staging.end()
  for (const [i, tree] of trees.entries()) {
    const root = roots[i] as string
    expect(wrongIn(root, tree)).toEqual([])
    expect(everythingIn(onDisk(root))).toBe(tree.things.length + implied(tree))
  }
}, 120_000)

/** One source of the packs of all. */
function together(trees: readonly StoredTree[]): PackSource {
  const owners = new Map(
    trees.flatMap(({ packs, source }) => [...packs.keys()].map((pack) => [pack, source] as const)),
  )
  return {
    packs: trees.flatMap(({ source }) => source.packs),
    openerOf: (pack) => owners.get(pack)?.openerOf(pack),
    fetch: (pack, ...range) => (owners.get(pack) as PackSource).fetch(pack, ...range),
  }
}

/** A tree that lies in several packs, and one of them. */
function storedFile(): { readonly tree: StoredTree; readonly pack: string } {
  for (let seed = 7; ; seed++) {
    const tree = randomTree(seed)
    const [pack] = tree.packs.keys()
    if (pack !== undefined && tree.packs.size > 3) return { tree, pack }
  }
}

const usersOf = ({ things }: StoredTree, pack: string) =>
  things.filter(({ entry }) => entry.extents?.some(([id]) => hex(id) === pack))

test('a missing pack costs the files that use it, which are named, and nothing else', async () => {
  const { tree, pack } = storedFile()
  tree.packs.delete(pack)
  const root = join(dir, 'partial')
  const damages = await readInto(p, tree.source, tree.things, root, {
    partial: true,
    durable: false,
  })
  const users = usersOf(tree, pack)
  expect(new Set(damages.map(({ entry }) => entry))).toEqual(
    new Set(users.map(({ entry }) => entry)),
  )
  expect(damages.every(({ code }) => code === 'pack-missing')).toBe(true)
  const rest = { ...tree, things: tree.things.filter((thing) => !users.includes(thing)) }
  expect(users.length).toBeGreaterThan(0)
  expect(rest.things.length).toBeGreaterThan(0)
  expect(wrongIn(root, rest)).toEqual([])
  for (const { path } of users) {
    expect(lstatSync(onDisk(`${root}/${path}`), { throwIfNoEntry: false })).toBeUndefined()
  }
})

test('any changed byte of a pack is damage, and without a choice nothing is left', async () => {
  const { tree, pack } = storedFile()
  const whole = tree.packs.get(pack) as Uint8Array
  const users = usersOf(tree, pack).length
  const spots = [0, 7, 9, 40, 200, whole.length - 1, whole.length - 30, whole.length >> 1]
  for (const at of spots) {
    const bytes = whole.slice()
    bytes[at] = (bytes[at] as number) ^ 4
    tree.packs.set(pack, bytes)
    const root = join(dir, `at-${at}`)
    await expect(
      readInto(p, tree.source, tree.things, root, { durable: false }),
    ).rejects.toMatchObject({
      code: 'pack-damaged',
    })
    expect(existsSync(root)).toBe(false)
    const damages = await readInto(p, tree.source, tree.things, root, {
      partial: true,
      durable: false,
    })
    expect(damages.length).toBeGreaterThan(0)
    expect(damages.length).toBeLessThanOrEqual(users)
  }
})

test('bytes that open but are not those that the manifest means are damage', async () => {
  const { tree } = storedFile()
  for (const kind of ['file', 'database'] as const) {
    const things = tree.things.map((thing) =>
      thing.entry.kind === kind
        ? { ...thing, entry: { ...thing.entry, sha256: new Uint8Array(32) } }
        : thing,
    )
    const root = join(dir, kind)
    const damages = await readInto(p, tree.source, things, root, { partial: true, durable: false })
    expect(damages.length).toBe(things.filter(({ entry }) => entry.kind === kind).length)
    expect(damages.every(({ code }) => code === 'pack-damaged')).toBe(true)
  }
})

test('an abort in the middle, or a link that is lost, leaves nothing', async () => {
  const { tree } = storedFile()
  const root = join(dir, 'cut')
  const controller = new AbortController()
  const reading = readInto(p, tree.source, tree.things, root, {
    signal: controller.signal,
    progress: () => controller.abort(new OcmError('job-cancelled')),
  })
  await expect(reading).rejects.toMatchObject({ code: 'job-cancelled' })
  expect(readdirSync(dir)).toEqual([])

  let asked = 0
  const source: PackSource = {
    ...tree.source,
    fetch: async (...range) => {
      if (++asked > 1) throw new OcmError('link-lost')
      return tree.source.fetch(...range)
    },
  }
  await expect(
    readInto(p, source, tree.things, root, { partial: true, durable: false }),
  ).rejects.toMatchObject({
    code: 'link-lost',
  })
  expect(readdirSync(dir)).toEqual([])
})

test('zeros are left as holes', async () => {
  const { tree, big } = holed()
  const root = join(dir, 'holes')
  await readInto(p, tree.source, tree.things, root)
  const stat = lstatSync(onDisk(`${root}/${big.path}`))
  expect(stat.blocks * 512).toBeLessThan(stat.size)
  expect(wrongIn(root, tree)).toEqual([])
})

function holed() {
  for (let seed = 1; ; seed++) {
    const tree = randomTree(seed)
    const big = tree.things.find(
      ({ content }) =>
        content !== undefined &&
        content.length > 400_000 &&
        Buffer.from(content).includes(Buffer.alloc(100_000)),
    )
    if (big) return { tree, big }
  }
}

test('takes nothing over that is there already', async () => {
  const { tree } = storedFile()
  const root = join(dir, 'there')
  mkdirSync(root)
  await expect(readInto(p, tree.source, tree.things, root)).rejects.toMatchObject({
    code: 'target-not-empty',
  })
  expect(existsSync(root)).toBe(true)
})
