import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openPackDirectory } from './directory.ts'
import { packsContract } from './packs.contract.ts'

let root: string
beforeEach(async () => {
  root = `${await mkdtemp(`${tmpdir()}/ocm-packs-`)}/packs`
})
afterEach(() => rm(dirname(root), { recursive: true, force: true }))

describe('a directory', () => {
  packsContract(
    () => openPackDirectory(root),
    () => openPackDirectory(root),
  )
})

async function* once(bytes: Uint8Array) {
  yield bytes
}

test('lays packs on shelves by their first two digits, for nobody else to read', async () => {
  const packs = await openPackDirectory(root)
  const bytes = Buffer.from('sealed')
  const id = createHash('sha256').update(bytes).digest('hex')
  await packs.put(id, bytes.length, once(bytes))
  expect(await readdir(root)).toEqual([id.slice(0, 2)])
  expect((await stat(`${root}/${id.slice(0, 2)}/${id}`)).mode & 0o777).toBe(0o600)
  expect((await stat(root)).mode & 0o777).toBe(0o700)
})

test('removes at its opening what a crash left half-written, and nothing else', async () => {
  await openPackDirectory(root)
  await mkdir(`${root}/ab`)
  await writeFile(`${root}/ab/abc.unfinished-00`, 'half')
  await writeFile(`${root}/ab/abd`, 'whole')
  await openPackDirectory(root)
  expect(await readdir(`${root}/ab`)).toEqual(['abd'])
})

test('writes a damaged pack anew when it is put again', async () => {
  const packs = await openPackDirectory(root)
  const bytes = Buffer.from('sealed')
  const id = createHash('sha256').update(bytes).digest('hex')
  await packs.put(id, bytes.length, once(bytes))
  await writeFile(`${root}/${id.slice(0, 2)}/${id}`, 'sea')
  await packs.put(id, bytes.length, once(bytes))
  expect(await readFile(`${root}/${id.slice(0, 2)}/${id}`, 'utf8')).toBe('sealed')
})

test('keeps the vault beside the packs: the newest record and the slots that count', async () => {
  const packs = await openPackDirectory(root)
  const [one, two, three] = ['1', '2', '3'].map((text) => Buffer.from(text))
  if (!one || !two || !three) throw new Error()
  await packs.keepVault({ record: one, slots: [one, two] })
  await packs.keepVault({ record: two, slots: [two, three] })
  await packs.keepHeader('abc', three)
  const vault = await readdir(`${root}/vault`)
  const slots = await Promise.all(
    vault
      .filter((name) => name.startsWith('slot-'))
      .map((name) => readFile(`${root}/vault/${name}`, 'utf8')),
  )
  expect(slots.toSorted()).toEqual(['2', '3'])
  expect(await readFile(`${root}/vault/record`, 'utf8')).toBe('2')
  expect(await readFile(`${root}/snapshots/abc`, 'utf8')).toBe('3')
})
