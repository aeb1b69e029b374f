import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Entry, OcmError, fromUtf8, utf8 } from '@ocm/protocol'
import { afterAll, expect, test } from 'vitest'
import type { OpenedSnapshot } from '../../snapshots/open.ts'
import { checkDatabases } from './databases.ts'

const folder = mkdtempSync(join(tmpdir(), 'ocm-databases-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A database with an index, of some hundred pages. */
function database(): Buffer {
  const path = join(folder, 'made')
  rmSync(path, { force: true })
  const made = new DatabaseSync(path)
  made.exec(
    'CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT); CREATE INDEX by_word ON words (word)',
  )
  const insert = made.prepare('INSERT INTO words (word) VALUES (?)')
  made.exec('BEGIN')
  for (let i = 0; i < 5000; i++) insert.run(`word ${(i * 7919) % 5000} ${'x'.repeat(80)}`)
  made.exec('COMMIT')
  made.close()
  return readFileSync(path)
}

/** As a snapshot that holds these, read in parts. */
function snapshotOf(
  files: Readonly<Record<string, Uint8Array>>,
  lost: readonly string[] = [],
): Pick<OpenedSnapshot, 'manifest' | 'read'> {
  const entries = Object.entries(files).map(([path, { length: size }]) => ({
    root: 'state',
    path: utf8(path),
    kind: path.endsWith('.sqlite') ? 'database' : 'file',
    size,
  }))
  return {
    manifest: { entries } as unknown as OpenedSnapshot['manifest'],
    async *read({ path }: Entry) {
      const name = fromUtf8(path)
      const bytes = files[name] ?? new Uint8Array(0)
      for (let at = 0; at < bytes.length; at += 10_000) {
        if (lost.includes(name) && at > 50_000) throw new OcmError('pack-damaged')
        yield bytes.subarray(at, at + 10_000)
      }
    },
  }
}

test('finds nothing in a database that is whole, and looks at databases only', async () => {
  const files = { 'agents/main.sqlite': database(), 'notes.md': utf8('no database') }
  expect(await checkDatabases(snapshotOf(files))).toEqual([
    { path: 'state:agents/main.sqlite', says: 'ok' },
  ])
})

test('tells what SQLite has to say of pages that are not what they should be', async () => {
  const hurt = database()
  const page = hurt.readUInt16BE(16)
  // A page in the middle: its rows are there, where it says they are is not.
  hurt.fill(0xff, 40 * page, 40 * page + 200)
  const short = database().subarray(0, 30 * page)
  const other = utf8('this was never a database at all, whatever it is called'.repeat(40))
  const files = { 'hurt.sqlite': hurt, 'short.sqlite': short, 'other.sqlite': other }
  const found = await checkDatabases(snapshotOf({ ...files, 'whole.sqlite': database() }))
  const says = Object.fromEntries(found.map(({ path, says: said }) => [path, said]))
  expect(says['state:whole.sqlite']).toBe('ok')
  expect(says['state:hurt.sqlite']).toMatch(/malformed|page/i)
  expect(says['state:short.sqlite']).toMatch(/malformed|page|invalid/i)
  expect(says['state:other.sqlite']).toMatch(/not a database/)
})

test('a database that cannot be read is named, and those behind it are looked at', async () => {
  const files = { 'lost.sqlite': database(), 'whole.sqlite': database() }
  const [lost, whole] = await checkDatabases(snapshotOf(files, ['lost.sqlite']))
  expect(lost).toEqual({
    path: 'state:lost.sqlite',
    says: new OcmError('pack-damaged').message,
  })
  expect(whole?.says).toBe('ok')
})
