import { mkdtemp, rm, stat } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { auditIn, firstBrokenEntry } from './audit.ts'
import { nodeSqliteDialect, openDatabase } from './dialect.ts'
import type { Catalog } from './catalog.ts'
import { openCatalog } from './open.ts'
import { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

let directory: string
let file: string
let catalog: Catalog
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/ocm-catalog-`)
  file = `${directory}/catalog.sqlite`
  catalog = await openCatalog(file)
})
afterEach(async () => {
  await catalog.close()
  await rm(directory, { recursive: true, force: true })
})

const setUp = (id: string) =>
  catalog.people.setUp({
    operator: { id, name: id, nameKey: id, password: '' },
    root: new Uint8Array(32),
    record: { serial: 1, bytes: new Uint8Array() },
    slots: [{ kind: 'recovery', operator: null, bytes: new Uint8Array() }],
    at: 1,
  })

test('is there again after it was closed, for nobody else to read', async () => {
  expect(await setUp('ada')).toBe(true)
  await catalog.close()
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  catalog = await openCatalog(file)
  expect(await catalog.people.isSetUp()).toBe(true)
  expect((await catalog.people.accountNamed('ada'))?.id).toBe('ada')
})

test('is set up once, also when two come at once', async () => {
  const both = await Promise.all([setUp('ada'), setUp('eve')])
  expect(both.filter(Boolean)).toHaveLength(1)
})

const node = (id: string) => ({
  id,
  key: new Uint8Array(32),
  label: 'x',
  state: 'active' as const,
  sequence: { stored: 0, pending: null },
  boot: '',
  ticket: new Uint8Array(),
  enrolment: new Uint8Array(),
  agentVersion: '',
  enrolledAt: 2,
  lastSeenAt: null,
  movedTo: null,
})

test('leaves nothing of a transaction that fails', async () => {
  const ticket = {
    id: 't',
    key: new Uint8Array(32),
    label: 'x',
    expiresAt: 9,
    statement: new Uint8Array(),
    usedAt: null,
    node: null,
  }
  await catalog.nodes.addTicket(ticket, 1)
  await catalog.nodes.addTicket({ ...ticket, id: 'u' }, 1)
  expect(await catalog.nodes.enrol('t', node('n'))).toBe(true)
  expect(await catalog.nodes.enrol('t', node('m'))).toBe(false)
  // The key is taken: the ticket stays unused.
  await expect(catalog.nodes.enrol('u', node('m'))).rejects.toThrow('UNIQUE')
  expect((await catalog.nodes.ticket('u'))?.usedAt).toBeNull()
  expect((await catalog.nodes.nodes()).map(({ id }) => id)).toEqual(['n'])
})

test('refuses a file that is none of its own with a clear error', async () => {
  const other = new DatabaseSync(`${directory}/other.sqlite`)
  other.exec('create table vault (x)')
  other.close()
  await expect(openCatalog(`${directory}/other.sqlite`)).rejects.toMatchObject({
    code: 'catalog-failed',
  })
  await expect(openCatalog(`${directory}/no/such/place`)).rejects.toMatchObject({
    code: 'catalog-failed',
  })
})

test('says that the catalog failed when its disk is full', async () => {
  await setUp('ada')
  const raw = new DatabaseSync(file)
  const { pages } = raw.prepare('select page_count as pages from pragma_page_count').get() as {
    pages: number
  }
  await catalog.close()
  const full = openDatabase(file)
  full.exec(`pragma max_page_count = ${pages}`)
  const db = new Kysely<Schema>({ dialect: nodeSqliteDialect(full) })
  const note = auditIn(db).note({ at: 1, actor: 'x'.repeat(100_000), action: '', subject: '' })
  await expect(note).rejects.toMatchObject({ code: 'catalog-failed' })
  await db.destroy()
  raw.close()
  catalog = await openCatalog(file)
  expect(await catalog.people.isSetUp()).toBe(true)
  expect(await catalog.audit.newest(9)).toEqual([])
})

test('shows where its audit was changed, cut out or put in', async () => {
  const lines = [1, 2, 3, 4].map((at) => ({ at, actor: 'ada', action: 'login', subject: `${at}` }))
  for (const line of lines) await catalog.audit.note(line)
  expect(await catalog.audit.newest(2)).toEqual([lines[3], lines[2]])

  const raw = new DatabaseSync(file)
  const db = new Kysely<Schema>({ dialect: nodeSqliteDialect(raw) })
  expect(await firstBrokenEntry(db)).toBeUndefined()
  const broken = async (statement: string) => {
    raw.exec('savepoint s')
    raw.exec(statement)
    const found = await firstBrokenEntry(db)
    raw.exec('rollback to s; release s')
    return found
  }
  expect(await broken("update audit set actor = 'eve' where seq = 2")).toBe(2)
  expect(await broken('delete from audit where seq = 2')).toBe(2)
  expect(await broken("insert into audit values (5, 9, 'eve', 'x', 'y', 'h')")).toBe(5)
  expect(await broken('update audit set seq = 9 - seq')).toBe(1)
  await db.destroy()
})
