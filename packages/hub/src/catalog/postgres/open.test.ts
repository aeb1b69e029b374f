import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  startPostgres,
  type TestPostgres,
  whyNoPostgres,
} from '../../../../../tests/support/postgres/server.ts'
import type { Catalog } from '../catalog.ts'
import { openCatalog } from '../open.ts'
import { STEPS } from '../steps/all.ts'
import { PATIENCE } from './connection.ts'
import { openPostgres } from './open.ts'

const why = whyNoPostgres()
const line = (at: number) => ({ at, actor: 'ada', action: 'login', subject: `${at}` })

/** Those who come too late hear of it soon. */
const patience = { ...PATIENCE, answer: 500, connect: 500, lock: 100 }

const NEXT = '9999-next'
const whole = async (db: Kysely<unknown>) => {
  await sql.raw('alter table audit add column more text').execute(db)
}

let server: TestPostgres
let data: string
let schema = ''
let schemas = 0
const opened: Catalog[] = []

const open = async (change: Partial<Parameters<typeof openPostgres>[0]> = {}) => {
  const catalog = await openPostgres({ url: server.local(schema), data, patience, ...change })
  opened.push(catalog)
  return catalog
}

const refused = async (url: string) => {
  const error = await open({ url }).then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  expect(`${error?.message} ${String(error?.cause)}`).not.toContain('hunter2')
  return error
}

const told = async (setting: string) => {
  await server.sql(setting)
  await server.sql('select pg_reload_conf()')
}

/** How many ask this, or wait for it. */
const asking = (what: string) =>
  server.sql(`select count(*) from pg_stat_activity
    where pid <> pg_backend_pid() and state = 'active' and query like '%${what}%'`)

/** Whoever has the lock of this catalog, until it is gone. */
const cut = () =>
  server.sql(`select pg_terminate_backend(pid, 5000) from pg_locks
    where locktype = 'advisory' and objid = ('x' || to_hex(hashtext('${schema}')))::bit(32)::bigint::oid`)

const columns = () =>
  server.sql(`select count(*) from information_schema.columns
    where table_schema = '${schema}' and table_name = 'audit'`)

describe.skipIf(why)(`a catalog in PostgreSQL${why === undefined ? '' : `: ${why}`}`, () => {
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    data = await mkdtemp(`${tmpdir()}/ocm-postgres-data-`)
    schema = `test_${++schemas}`
    await server.sql(`create schema ${schema}`)
  })
  afterEach(async () => {
    for (const catalog of opened.splice(0)) await catalog.close()
    await rm(data, { recursive: true, force: true })
  })

  test('says when it may lose what it has committed', async () => {
    const said: unknown[] = []
    const warn = (off: readonly string[]) => said.push(off)
    await (await open({ warn })).close()
    expect(said).toEqual([])
    await told('alter system set full_page_writes = off')
    await expect.poll(() => server.sql('show full_page_writes')).toBe('off')
    await open({ warn })
    expect(said).toEqual([['full_page_writes']])
    await told('alter system reset full_page_writes')
  })

  test('is there again after it was closed, and lets in one hub at a time', async () => {
    const first = await open()
    await first.audit.note(line(1))
    await expect(open()).rejects.toMatchObject({ code: 'catalog-in-use' })
    await first.close()
    expect(await (await open()).audit.newest(9)).toEqual([line(1)])
  })

  test('has the same tables as the file, column by column', async () => {
    await open()
    const file = `${data}/catalog.sqlite`
    await (await openCatalog(file)).close()
    const database = new DatabaseSync(file)
    const inFile = database
      .prepare(
        `select t.name || '.' || c.name || case when c."notnull" or c.pk then '' else '?' end as name
         from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table' and t.name not like 'kysely%'`,
      )
      .all()
      .map(({ name }) => String(name))
    database.close()
    const inPostgres = await server.sql(
      `select table_name || '.' || column_name || case is_nullable when 'YES' then '?' else '' end
       from information_schema.columns where table_schema = '${schema}' and table_name not like 'kysely%'`,
    )
    expect(inPostgres.split('\n').toSorted()).toEqual(inFile.toSorted())
  })

  test('does not let in whom PostgreSQL does not, and says why without the password', async () => {
    expect(await refused(server.remote('hunter2'))).toMatchObject({
      code: 'catalog-failed',
      facts: { why: 'PostgreSQL does not let this account in' },
    })
    expect(await refused(server.remote().replace(/ocm$/, 'nothing'))).toMatchObject({
      facts: { why: 'PostgreSQL has no such database' },
    })
    expect(await refused('postgres://ocm:hunter2@127.0.0.1:1/ocm')).toMatchObject({
      facts: { why: 'PostgreSQL does not answer' },
    })
    expect(await refused(`${server.remote('hunter2')}?sslmode=verify-full`)).toMatchObject({
      facts: { why: 'PostgreSQL and the hub do not agree on TLS' },
    })
    expect(await refused('postgres://ocm:hunter2@127.0.0.1:99999/ocm')).toMatchObject({
      code: 'wrong-use',
    })
    expect(await refused(server.local('nowhere'))).toMatchObject({
      facts: { why: 'the database has no schema for this account' },
    })
    await server.sql('create database latin encoding SQL_ASCII template template0')
    expect(await refused(server.remote().replace(/ocm$/, 'latin'))).toMatchObject({
      facts: { why: 'the database is not in UTF-8' },
    })
  })

  test('answers who met a lost connection with an error, and the next as if nothing were', async () => {
    let backs = 0
    const { audit } = await open({ back: () => backs++ })
    await audit.note(line(1))
    await cut()
    // At rest: nobody hears of it.
    await new Promise(setImmediate)
    await audit.note(line(2))
    expect(backs).toBe(1)

    const blocking = server.sql(`begin; lock table ${schema}.audit; select pg_sleep(1)`)
    await expect.poll(() => asking('pg_sleep')).toBe('1')
    const noted = audit.note(line(3)).catch((error: unknown) => error)
    await expect.poll(() => asking('from "audit"')).toBe('1')
    await cut()
    expect(await noted).toMatchObject({ code: 'catalog-failed' })
    await blocking
    await audit.note(line(4))
    expect((await audit.newest(9)).map(({ at }) => at)).toEqual([4, 2, 1])
  })

  test('is not used by a hub that lost it to another one meanwhile', async () => {
    const first = await open()
    await first.audit.note(line(1))
    await server.kill()
    await server.start()
    const second = await open()
    await expect(first.audit.note(line(2))).rejects.toMatchObject({ code: 'catalog-in-use' })
    await second.close()
    await first.audit.note(line(3))
    expect((await first.audit.newest(9)).map(({ at }) => at)).toEqual([3, 1])
  })

  test('loses nothing that it has answered when PostgreSQL is killed in the middle of commits', async () => {
    const { audit } = await open()
    let at = 0
    const answered: number[] = []
    const failures: unknown[] = []
    const write = async (until: number) => {
      while (answered.length < until) {
        const next = ++at
        try {
          await audit.note(line(next))
          answered.push(next)
        } catch (error) {
          failures.push(error)
        }
      }
    }
    for (const round of [1, 2]) {
      const writing = write(round * 100)
      await expect.poll(() => answered.length).toBeGreaterThan(round * 100 - 80)
      await server.kill()
      await server.start()
      await writing
    }
    const kept = new Set((await audit.newest(10_000)).map((one) => one.at))
    expect(answered.filter((one) => !kept.has(one))).toEqual([])
    expect(failures.length).toBeGreaterThan(0)
    for (const error of failures) expect(error).toMatchObject({ code: 'catalog-failed' })
    // The numbers have no gap, whatever failed.
    const numbers = await server.sql(`select count(*) = max(seq) from ${schema}.audit`)
    expect(numbers).toBe('t')
  })

  test('that is frozen answers with an error and not never; when it thaws what was left half is not there', async () => {
    const { audit } = await open()
    await audit.note(line(1))
    await server.sql(`create schema ${schema}_other`)
    const other = await openPostgres({ url: server.local(`${schema}_other`), data, patience })
    server.freeze()
    try {
      const began = performance.now()
      const all = await Promise.allSettled([2, 3, 4, 5].map((at) => audit.note(line(at))))
      expect(all.map(({ status }) => status)).toEqual(all.map(() => 'rejected'))
      // Those who waited behind the first one do not wait for as long again, each.
      expect(performance.now() - began).toBeLessThan(2 * (patience.answer + patience.connect))
      await other.close()
    } finally {
      server.thaw()
    }
    await audit.note(line(6))
    expect((await audit.newest(9)).map(({ at }) => at)).toEqual([6, 1])
  })

  test('that is read-only says so, and goes on when it is not', async () => {
    const { audit, probe, people } = await open()
    /** The database hears of its settings in its own time. */
    const noted = () =>
      audit.note(line(1)).then(
        () => 'noted',
        ({ facts }: { facts: { why: string } }) => facts.why,
      )
    await told('alter system set default_transaction_read_only = on')
    try {
      await expect.poll(noted).toBe('PostgreSQL is read-only')
      await expect(probe()).rejects.toMatchObject({ code: 'catalog-failed' })
      expect(await people.isSetUp()).toBe(false)
    } finally {
      await told('alter system reset default_transaction_read_only')
    }
    await expect.poll(noted).toBe('noted')
  })

  describe('of an older OCM', () => {
    beforeEach(async () => {
      const catalog = await open()
      await catalog.audit.note(line(1))
      await catalog.close()
      opened.splice(0)
    })
    test('is copied to a file before it is changed, which an older OCM opens', async () => {
      const copy = `${data}/catalog.before-${NEXT}.sqlite`
      const newer = await open({ steps: { ...STEPS, [NEXT]: { up: whole } } })
      expect(await newer.audit.newest(9)).toEqual([line(1)])
      expect(await columns()).toBe('7')
      expect((await stat(copy)).mode & 0o777).toBe(0o600)
      expect(await readdir(data)).toEqual([`catalog.before-${NEXT}.sqlite`])
      const older = await openCatalog(copy)
      expect(await older.audit.newest(9)).toEqual([line(1)])
      await older.close()
    })

    test('is as it was when a step fails or is cut off, and the next start takes it again', async () => {
      const failing = async (db: Kysely<unknown>) => {
        await whole(db)
        await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db)
      }
      await expect(open({ steps: { ...STEPS, [NEXT]: { up: failing } } })).rejects.toMatchObject({
        code: 'catalog-failed',
      })
      expect(await columns()).toBe('6')
      await (await open()).close()
      opened.splice(0)
      await open({ steps: { ...STEPS, [NEXT]: { up: whole } } })
      expect(await columns()).toBe('7')
    })

    test('no copy is made when nothing is to change', async () => {
      await open()
      expect(await readdir(data)).toEqual([])
    })
  })
})
