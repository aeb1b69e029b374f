/** Archives of ours, read by other programs and by our own reader. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { utf8 } from '@ocm/protocol'
import { relativeTo, staysWithin } from './links.ts'
import { type TarEntry, readTar } from './read-tar.ts'
import { type TarItem, tarEnd, tarHeader, tarPadding } from './write-tar.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocm-archive-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const at = { mode: 0o640, modifiedAt: 1_700_000_000_999 }
const item = (path: string, more: Partial<TarItem> = {}): TarItem => ({
  kind: 'file',
  path,
  size: 0,
  ...at,
  ...more,
})

const ITEMS: readonly TarItem[] = [
  item('root', { kind: 'directory', mode: 0o700 }),
  item('root/short', { size: 5 }),
  item(`root/${'long'.repeat(50)}`, { size: 512 }),
  item('root/größe-\u{1f980}', { size: 1 }),
  // A byte that is no UTF-8.
  item('root/latin-\udce9', { size: 1 }),
  item('root/link', { kind: 'link', target: utf8('short') }),
  item('root/far', { kind: 'link', target: utf8('x'.repeat(150)) }),
]

function bytes(): Buffer {
  const parts = ITEMS.flatMap((one) => [
    tarHeader(one),
    Buffer.alloc(one.size, 0x61),
    tarPadding(one.size),
  ])
  return Buffer.concat([...parts, tarEnd()])
}

/** In pieces of no particular length. */
async function* pieces(): AsyncGenerator<Uint8Array> {
  const whole = bytes()
  for (let from = 0; from < whole.length; from += 700) yield whole.subarray(from, from + 700)
}

test('what is written is read again', async () => {
  const read: TarEntry[] = []
  let content = 0
  await readTar(
    pieces(),
    { entries: 100, fileBytes: 1000, totalBytes: 10_000 },
    {
      entry: (entry) => void read.push(entry),
      content: (part) => void (content += part.length),
      end: () => undefined,
    },
  )
  expect(read.map(({ kind, path, size, mode }) => [kind, path, size, mode])).toEqual(
    ITEMS.map(({ kind, path, size, mode }) => [
      kind,
      kind === 'directory' ? `${path}/` : path,
      size,
      mode,
    ]),
  )
  expect(read.map(({ target }) => target).filter((target) => target !== '')).toEqual([
    'short',
    'x'.repeat(150),
  ])
  expect(read.every(({ modifiedAt }) => modifiedAt === 1_700_000_000)).toBe(true)
  expect(content).toBe(519)
})

test('what is written is read by tar, names and all', () => {
  writeFileSync(join(dir, 'ours.tar'), bytes())
  execFileSync('tar', ['xf', 'ours.tar'], { cwd: dir })
  expect(readFileSync(join(dir, 'root', 'short'), 'utf8')).toBe('aaaaa')
  expect(readFileSync(join(dir, 'root', 'größe-\u{1f980}'), 'utf8')).toBe('a')
  expect(readFileSync(join(dir, 'root', 'long'.repeat(50))).length).toBe(512)
  const raw = Buffer.concat([Buffer.from(join(dir, 'root', 'latin-')), Buffer.of(0xe9)])
  expect(readFileSync(raw, 'utf8')).toBe('a')
})

describe('a link', () => {
  test.each<[string, Record<string, string>, string, boolean]>([
    ['to its neighbour', { '/top/a': 'b' }, '/top/a', true],
    ['to nothing', { '/top/a': 'nothing/at/all' }, '/top/a', true],
    ['down and up again', { '/top/d/a': '../e/../b' }, '/top/d/a', true],
    ['out', { '/top/a': '../b' }, '/top/a', false],
    ['out and in again', { '/top/a': '../top/b' }, '/top/a', false],
    ['to an absolute place', { '/top/a': '/top/b' }, '/top/a', false],
    ['over another', { '/top/a': 'l/b', '/top/l': 'd' }, '/top/a', true],
    [
      'over another that leads up',
      { '/top/x/a': 'l/../../b', '/top/x/l': '..' },
      '/top/x/a',
      false,
    ],
    ['over another to an absolute place', { '/top/a': 'l/b', '/top/l': '/etc' }, '/top/a', false],
    ['around in a circle', { '/top/a': 'b', '/top/b': 'a' }, '/top/a', false],
  ])('%s', (_, links, link, stays) => {
    expect(staysWithin(new Map(Object.entries(links)), '/top', link)).toBe(stays)
  })

  test('to an absolute place is said from where it lies', () => {
    expect(relativeTo('/home/a/b/link', '/home/a/c/d')).toBe('../c/d')
    expect(relativeTo('/home/a/link', '/home/a/x')).toBe('x')
    expect(relativeTo('/home/a/link', '/home/a')).toBe('.')
  })
})
