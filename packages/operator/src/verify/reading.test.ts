import {
  type Entry,
  type Manifest,
  type ManifestRoot,
  hex,
  manifestPages,
  utf8,
} from '@ocm/protocol'
import { expect, test } from 'vitest'
import { Reading } from './reading.ts'

const pack = (n: number): ManifestRoot['packs'][number] => ({
  id: new Uint8Array(32).fill(n),
  bytes: 1000,
  class: 'state',
  header: new Uint8Array(32).fill(n),
})

const file = (path: string, n: number, ...places: [pack: number, offset: number][]): Entry => ({
  root: 'state',
  path: utf8(path),
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: places.length * 10,
  // Some begin alike: what they are is told by all of it.
  sha256: new Uint8Array(32).fill(n, 4),
  extents: places.map(([at, offset]) => [new Uint8Array(32).fill(at), 0, offset, 10]),
})

const pagesOf = (...entries: Entry[]) =>
  manifestPages({
    v: 1,
    layout: {
      roots: { home: '/home/o', state: '/home/o/.openclaw' },
      platform: 'linux',
      hostname: 'h',
      user: 'o',
      uid: 1000,
      port: 1,
      versions: { openclaw: '', schemas: {}, node: '24', agent: '1' },
    },
    inventory: null,
    config: null,
    holdings: [],
    warnings: [],
    startedAt: 0,
    entries,
    omissions: [],
    mentions: [],
  } satisfies Manifest)

const opener = { sealing: { public: new Uint8Array(32), secret: new Uint8Array(32) }, node: 'n' }
const root = (...packs: number[]): ManifestRoot => ({ v: 1, pages: [], packs: packs.map(pack) })
const idOf = (n: number) => hex(new Uint8Array(32).fill(n))

test('a content is one where it is the same and lies at the same place', () => {
  const reading = new Reading()
  reading.add(
    root(1, 2),
    opener,
    pagesOf(file('a', 1, [1, 0]), file('b', 1, [1, 0]), file('c', 1, [2, 0])),
  )
  reading.add(root(1, 2), opener, pagesOf(file('d', 1, [2, 0]), file('e', 2, [2, 0], [1, 5])))
  const { contents } = reading
  expect(contents.count).toBe(3)
  expect([0, 1, 2].map((n) => contents.snapshots(n))).toEqual([[0], [0, 1], [1]])
  expect([0, 1, 2].map((n) => contents.span(n))).toEqual([1, 1, 2])
  expect(Buffer.from(contents.place(2).path).toString()).toBe('e')
  expect(reading.packs.get(idOf(2))?.contents).toEqual([1, 2])
  expect([...reading.usesOf(idOf(1)).rows]).toEqual([0, 0, 10, 0, 0, 5, 10, 10])
})

test('of a snapshot that is malformed nothing is taken', () => {
  const reading = new Reading()
  reading.add(root(1), opener, pagesOf(file('a', 1, [1, 0])))
  const twice = pagesOf(file('b', 1, [1, 0]), file('c', 3, [1, 20]), file('d', 4, [2, 0]))
  expect(() => reading.add(root(1, 2), opener, [...twice, ...twice.slice(1)])).toThrow(
    expect.objectContaining({ code: 'malformed' }),
  )
  expect(() => reading.add(root(1), opener, pagesOf(file('e', 5, [2, 0])))).toThrow(
    expect.objectContaining({ code: 'malformed' }),
  )
  const { contents } = reading
  expect([contents.count, contents.snapshots(0), [...reading.packs.keys()]]).toEqual([
    1,
    [0],
    [idOf(1)],
  ])
  reading.add(root(1, 2), opener, pagesOf(file('f', 1, [1, 0]), file('g', 6, [2, 0])))
  expect(contents.snapshots(0)).toEqual([0, 1])
  expect([contents.count, Buffer.from(contents.place(1).path).toString()]).toEqual([2, 'g'])
  expect(reading.packs.get(idOf(1))?.contents).toEqual([0])
})
