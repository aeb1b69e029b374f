import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Entry, pathFromBytes, utf8 } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exists, namesIn, removeTree } from './disk.ts'
import { TreeWriter, checkEntries, sealTree } from './tree.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-tree-'))
})
afterEach(() => removeTree(dir))

const entry = (kind: Entry['kind'], more: Partial<Entry> = {}): Entry => ({
  root: 'state',
  path: utf8(''),
  kind,
  section: 'gateway',
  travel: 'always',
  mode: 0o644,
  modifiedAt: 1_700_000_000_000,
  size: 0,
  ...more,
})

async function* parts(...texts: string[]) {
  for (const text of texts) yield utf8(text)
}

test('writes directories, files of any name, links last, with their permissions and times', async () => {
  const root = join(dir, 'live.stage')
  const odd = pathFromBytes(Uint8Array.of(0x61, 0xff, 0x62))
  const items = [
    { path: '', entry: entry('directory', { mode: 0o700 }) },
    { path: 'a', entry: entry('directory', { mode: 0o555 }) },
    { path: 'a/empty', entry: entry('directory', { mode: 0o750 }) },
    { path: `a/${odd}`, entry: entry('file', { mode: 0o6755 }) },
    { path: 'b/c/implied', entry: entry('file') },
    { path: 'link', entry: entry('link', { target: utf8('../elsewhere') }) },
  ]
  checkEntries(items)
  const tree = new TreeWriter(root)
  for (const item of items) {
    if (item.entry.kind === 'file') await tree.write(item.path, parts('one ', 'two'))
    else await tree.add(item)
  }
  await tree.finish()
  await sealTree(root, items)

  expect(await namesIn(join(root, 'a'))).toEqual([odd, 'empty'].toSorted())
  expect(await readlink(join(root, 'link'))).toBe('../elsewhere')
  const file = Buffer.concat([Buffer.from(join(root, 'a/')), Buffer.from([0x61, 0xff, 0x62])])
  expect(await readFile(file, 'utf8')).toBe('one two')
  const stat = await lstat(file)
  expect([stat.mode & 0o7777, stat.mtimeMs]).toEqual([0o755, 1_700_000_000_000])
  expect((await lstat(join(root, 'a'))).mode & 0o7777).toBe(0o555)
  expect((await lstat(join(root, 'b'))).mode & 0o7777).toBe(0o700)
  expect((await lstat(join(root, 'link'))).mtimeMs).toBe(1_700_000_000_000)
})

test('a unit may be a single file', async () => {
  const root = join(dir, 'secrets.json.stage')
  const tree = new TreeWriter(root)
  await tree.write('', parts('{}'))
  await tree.finish()
  await sealTree(root, [{ path: '', entry: entry('file', { mode: 0o600 }) }])
  expect(await readFile(root, 'utf8')).toBe('{}')
})

test('refuses names that lead elsewhere, and things below a file or a link, before anything is written', () => {
  const bad = ['../x', 'a/../x', '/etc', 'a//b', 'a/.', 'a\0b', 'x'.repeat(256)]
  for (const path of bad) {
    expect(() => checkEntries([{ path, entry: entry('file') }])).toThrow(/manifest/)
  }
  const twice = { path: 'a', entry: entry('file') }
  expect(() => checkEntries([twice, twice])).toThrow(/manifest/)
  for (const kind of ['file', 'link'] as const) {
    const above = { path: 'a', entry: entry(kind, { target: utf8('/etc') }) }
    expect(() => checkEntries([above, { path: 'a/b', entry: entry('file') }])).toThrow(/manifest/)
  }
})

test('a directory that becomes a link meanwhile does not lead a write out of the stage', async () => {
  const root = join(dir, 'live.stage')
  const outside = join(dir, 'outside')
  await mkdir(outside)
  const tree = new TreeWriter(root)
  await tree.write('a/one', parts('1'))
  await tree.write('b', parts('2'))
  await rename(join(root, 'a'), join(root, 'was'))
  await symlink(outside, join(root, 'a'))
  await expect(tree.write('a/two', parts('3'))).rejects.toThrow(/ELOOP|ENOTDIR/)
  await tree.close()
  expect(await namesIn(outside)).toEqual([])
})

test('never writes over what is there already', async () => {
  const root = join(dir, 'live.stage')
  const tree = new TreeWriter(root)
  await tree.write('a', parts('1'))
  await expect(tree.write('a', parts('2'))).rejects.toThrow(/EEXIST/)
  await tree.close()
  expect(await readFile(join(root, 'a'), 'utf8')).toBe('1')
})

test('a tree is removed whole, closed directories too, and what its links point at stays', async () => {
  const root = join(dir, 'tree')
  await mkdir(join(root, 'shut', 'inner'), { recursive: true })
  await mkdir(join(dir, 'outside'))
  await symlink(join(dir, 'outside'), join(root, 'shut', 'link'))
  await chmod(join(root, 'shut'), 0o500)
  await removeTree(root)
  expect([await exists(root), await exists(join(dir, 'outside'))]).toEqual([false, true])
  await rm(join(dir, 'outside'), { recursive: true })
})
