import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { expect, test } from 'vitest'
import { nodeSqliteDialect, openDatabase } from '../dialect.ts'
import { openCatalog } from '../open.ts'
import { up as first } from './0001-first.ts'

test('a catalog of the first step keeps its packs, and every pack counts as checked when it came', async () => {
  const directory = await mkdtemp(`${tmpdir()}/ocm-step-`)
  const file = `${directory}/catalog.sqlite`
  const database = openDatabase(file)
  const old = new Kysely<unknown>({ dialect: nodeSqliteDialect(database) })
  const provider = { getMigrations: async () => ({ '0001-first': { up: first } }) }
  await new Migrator({ db: old, provider }).migrateToLatest()
  database.exec(`
    insert into nodes values ('n', 'k', 'x', 'active', 0, null, '', x'', x'', '', 0, null, null);
    insert into packs values ('n', 'p', 'state', 100, 7);
    insert into snapshots values ('s', 'n', 1, x'', 'manual', 1, 2, 8, '', '{}', 100);
    insert into snapshot_packs values ('s', 'n', 'p', 100)`)
  await old.destroy()

  const catalog = await openCatalog(file)
  expect(await catalog.keeping.leastChecked(8, 8, 9)).toEqual([
    { node: 'n', id: 'p', bytes: 100, checkedAt: 7, damage: null },
  ])
  expect(await catalog.keeping.settings()).toMatchObject({
    lock: { days: 14, last: 7 },
    graceHours: 72,
    ranAt: null,
  })
  expect(await catalog.snapshots.snapshots()).toMatchObject([
    { id: 's', pinned: false, prunedAt: null, damaged: 0 },
  ])
  expect(await catalog.keeping.tombstone(9)).toBe(0)
  await catalog.close()
  await rm(directory, { recursive: true, force: true })
})
