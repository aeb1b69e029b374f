import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { newId } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { expect, test } from 'vitest'
import { nodeSqliteDialect, openDatabase } from '../dialect.ts'
import { openCatalog } from '../open.ts'
import { up as first } from './0001-first.ts'
import { up as keeping } from './0002-keeping.ts'

test('jobs of an older catalog keep their logs and their orders, and jobs may be undone', async () => {
  const directory = await mkdtemp(`${tmpdir()}/ocm-step-`)
  const file = `${directory}/catalog.sqlite`
  const database = openDatabase(file)
  const old = new Kysely<unknown>({ dialect: nodeSqliteDialect(database) })
  const steps = { '0001-first': { up: first }, '0002-keeping': { up: keeping } }
  await new Migrator({
    db: old,
    provider: { getMigrations: async () => steps },
  }).migrateToLatest()
  database.exec(`
    insert into nodes values ('n', 'k', 'x', 'active', 0, null, '', x'', x'', '', 0, null, null);
    insert into jobs (id, kind, state, node, "trigger", steps, created_at, created_by)
      values ('j', 'clone', 'done', 'n', 'manual', '[]', 5, 'ada');
    insert into orders values ('h', 'j', 5);
    insert into job_log (job, at, sealed) values ('j', 6, x'01')`)
  await old.destroy()

  const { jobs, close } = await openCatalog(file)
  const stored = await jobs.job('j')
  expect(stored?.job).toMatchObject({ kind: 'clone', state: 'done', createdBy: 'ada' })
  expect(await jobs.log('j')).toHaveLength(1)
  if (!stored) throw new Error('gone')
  const undo = {
    ...stored,
    job: { ...stored.job, id: newId(p), kind: 'undo', undoes: 'j' },
  } as const
  expect(await jobs.addJob(undo, 'h2')).toBe(true)
  expect((await jobs.job(undo.job.id))?.job.undoes).toBe('j')
  await close()
  await rm(directory, { recursive: true, force: true })
})
