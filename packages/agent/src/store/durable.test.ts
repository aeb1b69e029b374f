import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readDurable, removeDurable, writeDurable } from './durable.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-durable-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a file is replaced whole, for its owner alone, and leaves no draft', async () => {
  const path = join(dir, 'a', 'b', 'state.json')
  await writeDurable(path, 'one, and rather long')
  await writeDurable(path, 'two')
  expect(await readFile(path, 'utf8')).toBe('two')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(dir, 'a', 'b'))).toEqual(['state.json'])
})

test('a draft that a crash left behind is in nobody’s way', async () => {
  const path = join(dir, 'state.json')
  await writeFile(`${path}.tmp`, 'half', { mode: 0o644 })
  await writeDurable(path, 'whole')
  expect(await readFile(path, 'utf8')).toBe('whole')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('a file that is not there reads as undefined and may be removed', async () => {
  const path = join(dir, 'none')
  expect(await readDurable(path)).toBeUndefined()
  await removeDurable(path)
  await writeDurable(path, 'x')
  await removeDurable(path)
  expect(await readDurable(path)).toBeUndefined()
})
