import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createVault, extentKeys, hex, startRun } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { ExtentTable } from '../store/extent-table.ts'
import type { ContentSink } from './contents.ts'
import { PackBook } from './pack-book.ts'
import { Packing } from './packing.ts'
import { readFile } from './read-file.ts'
import { doUnit } from './units.ts'

let dir = ''
let path = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocm-read-'))
  path = join(dir, 'file')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function sink(): ContentSink {
  const vault = createVault(p)
  const node = '11'.repeat(16)
  const run = startRun(p, { vault: vault.id, epoch: 1, sealing: vault.sealing.public, node })
  const keys = extentKeys(p, p.random(32))
  const packing = new Packing({
    p,
    run,
    keys,
    known: new ExtentTable(),
    next: new PackBook().next,
    deliver: () => undefined,
  })
  return { p, packing, keys }
}

/** Reads `path`; `during` is called while it is open, before the first byte is read, with which time that is. */
async function read(during: (reads: number) => void = () => undefined) {
  let reads = 0
  const result = await readFile(sink(), 'state', Buffer.from(path), () => {
    during(++reads)
    // As if whatever lies there were old, so that only what happens meanwhile counts.
    return 4_000_000_000_000
  })
  return { ...result, reads }
}

const textHash = (text: string) => hex(p.sha256(Buffer.from(text)))
const large = 'x'.repeat(300_000)

test('an old file is read once', async () => {
  writeFileSync(path, 'still', { mode: 0o640 })
  const result = await read()
  if ('omit' in result) throw new TypeError(result.omit)
  expect(result).toMatchObject({ unstable: false, reads: 1, content: { size: 5 } })
  expect(result.look.mode & 0o777).toBe(0o640)
  expect(hex(result.content.sha256)).toBe(textHash('still'))
})

test('a file that was written a moment ago is read again: its time alone would not tell', async () => {
  writeFileSync(path, 'new')
  let reads = 0
  const result = await readFile(sink(), 'state', Buffer.from(path), () => {
    reads++
    return 0
  })
  expect(result).toMatchObject({ unstable: false, content: { size: 3 } })
  expect(reads).toBe(2)
})

test.each([
  ['small', ''],
  ['large', large],
])('a %s file that comes to rest is read as it is then', async (_, more) => {
  writeFileSync(path, `0${more}`)
  const result = await read((reads) => {
    if (reads <= 2) writeFileSync(path, `${reads}${more}`)
  })
  if ('omit' in result) throw new TypeError(result.omit)
  expect(result.unstable).toBe(false)
  expect(hex(result.content.sha256)).toBe(textHash(`2${more}`))
})

test('a file that does not come to rest is read four times and marked', async () => {
  writeFileSync(path, 'first')
  const result = await read((reads) => writeFileSync(path, `read ${reads}`))
  expect(result).toMatchObject({ unstable: true, reads: 4 })
})

test('a file that shrinks while it is read ends where it ends', async () => {
  writeFileSync(path, large)
  const result = await read(() => truncateSync(path, 280_000))
  expect(result).toMatchObject({ content: { size: 280_000 } })
})

test('a file that was replaced while it was open is read as it was opened', async () => {
  writeFileSync(path, 'before')
  writeFileSync(join(dir, 'other'), 'after')
  const result = await read((reads) => {
    if (reads === 1) renameSync(join(dir, 'other'), path)
  })
  if ('omit' in result) throw new TypeError(result.omit)
  expect([textHash('before'), textHash('after')]).toContain(hex(result.content.sha256))
  expect(result.unstable).toBe(false)
})

test.each<[string, () => void, string]>([
  ['that is gone', () => undefined, 'vanished'],
  ['in whose place a link is', () => symlinkSync('/etc/hostname', path), 'vanished'],
  ['in whose place a directory is', () => mkdirSync(path), 'special'],
  ['in whose place a pipe is', () => execFileSync('mkfifo', [path]), 'special'],
])('a file %s is left out', async (_, make, omit) => {
  make()
  expect(await read()).toMatchObject({ omit })
})

test('of files that are looked through it is told which hold none of the marks', () => {
  const contents = [
    'see /home/one',
    'nothing',
    'nothing',
    `${'x'.repeat(900_000)}/home/one`,
    'x'.repeat(900_000),
  ]
  const paths = contents.map((text, n) => {
    writeFileSync(join(dir, `${n}`), text)
    return join(dir, `${n}`)
  })
  const marks = { texts: ['/home/one'], wanted: Uint8Array.of(1, 1, 0, 1, 1) }
  const done = doUnit(sink(), { kind: 'files', class: 'bulk', paths, marks }, Date.now)
  expect(done.kind === 'files' && [...done.unmarked]).toEqual([0, 1, 0, 0, 1])
})
