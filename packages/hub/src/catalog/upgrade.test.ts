import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCatalog } from './open.ts'
import { STEPS } from './steps/all.ts'

let directory: string
let file: string
let child: ChildProcess | undefined
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/ocm-upgrade-`)
  file = `${directory}/catalog.sqlite`
  const catalog = await openCatalog(file)
  await catalog.audit.note({ at: 1, actor: 'ada', action: 'login', subject: 'x' })
  await catalog.close()
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

type Db = Parameters<(typeof STEPS)['0001-first']['up']>[0]

const NEXT = '9999-next'
const source = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)))
/** Half of a change of the schema; what the second half is, `ends` decides. */
const program = `
import { sql } from 'kysely'
import { openCatalog } from ${source('open.ts')}
import { STEPS } from ${source('steps/all.ts')}
const up = async (db) => {
  await sql.raw('alter table audit rename column actor to who').execute(db)
  await sql.raw('create table more (x)').execute(db)
  process.stdout.write('halfway')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
await openCatalog(process.argv[2], { ...STEPS, '${NEXT}': { up } })
`

const tables = (path: string) => {
  const database = new DatabaseSync(path, { readOnly: true })
  const names = database.prepare("select name from sqlite_master where type = 'table'").all()
  const actors = database.prepare('select actor from audit').all()
  database.close()
  return { names: names.map(({ name }) => name), actors: actors.map(({ actor }) => actor) }
}

test('a change of the schema that is killed halfway is as if it had not begun, and is taken again', async () => {
  const script = fileURLToPath(new URL(`.upgrade-${process.pid}.mjs`, import.meta.url))
  await writeFile(script, program)
  try {
    child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  } finally {
    await rm(script)
  }
  const before = tables(`${file}.before-${NEXT}`)
  expect(before.actors).toEqual(['ada'])
  expect((await stat(`${file}.before-${NEXT}`)).mode & 0o777).toBe(0o600)

  // The OCM of before goes on with it, and the newer one brings it to its end.
  const older = await openCatalog(file)
  expect((await older.audit.newest(9)).map(({ actor }) => actor)).toEqual(['ada'])
  await older.close()
  const newer = await openCatalog(file, { ...STEPS, [NEXT]: { up: whole } })
  await newer.close()
  expect(tables(file).names).toEqual([...before.names, 'more'])
  const copies = (await readdir(directory)).filter((name) => name.includes('.before-'))
  expect(copies).toEqual([`catalog.sqlite.before-${NEXT}`])
})

const whole = async (db: Db) => {
  await sql.raw('create table more (x)').execute(db)
}
const failing = async (db: Db) => {
  await sql.raw('drop table audit').execute(db)
  throw new Error('no')
}

test('a step that fails changes nothing', async () => {
  await expect(openCatalog(file, { ...STEPS, [NEXT]: { up: failing } })).rejects.toMatchObject({
    code: 'catalog-failed',
  })
  expect(tables(file).actors).toEqual(['ada'])
})

test('no copy is made when nothing is to change', async () => {
  await (await openCatalog(file)).close()
  expect(await readdir(directory)).toEqual(['catalog.sqlite'])
})
