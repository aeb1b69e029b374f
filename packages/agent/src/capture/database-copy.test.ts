import {
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OcmError } from '@ocm/protocol'
import type { DatabaseSource } from '../installation.port.ts'
import { type CopyOutcome, type DatabaseCopy, copyDatabases } from './database-copy.ts'

let dir = ''
let live = ''
let copies = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-copy-'))
  live = join(dir, 'live')
  copies = join(dir, 'copies')
  mkdirSync(live)
  mkdirSync(copies, { mode: 0o700 })
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const sourceOf = (name: string): DatabaseSource => ({
  place: { root: 'state', path: name },
  absolute: join(live, name),
  role: 'state',
  section: 'gateway',
  class: 'state',
  travel: 'always',
})

function copied(outcome: CopyOutcome | undefined): DatabaseCopy {
  if (!outcome || 'omit' in outcome) throw new TypeError(`left out: ${outcome?.omit}`)
  return outcome
}

function valueIn(path: string, query: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Object.values(database.prepare(query).get() ?? {})[0]
  } finally {
    database.close()
  }
}

const SUM = 'SELECT sum(v) FROM account'

/** 400 accounts that hold 1000 each, and ballast so that a copy takes a while. */
function makeBank(path: string, ballastRows = 0, mode = 'WAL'): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = ${mode}; PRAGMA synchronous = OFF;
    CREATE TABLE account (id INTEGER PRIMARY KEY, v INTEGER NOT NULL);
    CREATE TABLE event (k TEXT UNIQUE, b BLOB);
    BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
      INSERT INTO account SELECT i, 1000 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ballastRows})
      INSERT INTO event SELECT hex(randomblob(16)), randomblob(3000) FROM n LIMIT ${ballastRows};
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`)
  return database
}

/** Moves money between accounts, adds and drops events, and has the log checkpointed all the time. */
const WRITER = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData.path, { timeout: 5000 })
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 100')
const move = database.prepare('UPDATE account SET v = v + ? WHERE id = ?')
const add = database.prepare('INSERT INTO event VALUES (hex(randomblob(16)), randomblob(2000))')
const drop = database.prepare('DELETE FROM event WHERE rowid IN (SELECT rowid FROM event LIMIT 1)')
setInterval(() => {
  const [from, to, sum] = [1, 1, 90].map((least) => least + Math.floor(Math.random() * 400))
  database.exec('BEGIN IMMEDIATE')
  move.run(-sum, from)
  move.run(sum, to)
  add.run()
  drop.run()
  database.exec('COMMIT')
  if (Atomics.add(workerData.commits, 0, 1) === 20) parentPort.postMessage('busy')
}, 4)
`

const nextMessage = (worker: Worker) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })

test('a writer that never rests does not keep a copy from ending, and every copy is of one moment', async () => {
  makeBank(join(live, 'bank.db'), 8000).close()
  const commits = new Int32Array(new SharedArrayBuffer(4))
  const workerData = { path: join(live, 'bank.db'), commits }
  const writer = new Worker(WRITER, { eval: true, workerData })
  try {
    await nextMessage(writer)
    const before = Atomics.load(commits, 0)
    for (let round = 0; round < 5; round++) {
      const into = join(copies, String(round))
      mkdirSync(into, { mode: 0o700 })
      const copy = copied((await copyDatabases([sourceOf('bank.db')], into))[0])
      expect(copy.flaw).toBe('')
      expect(valueIn(copy.absolute, SUM)).toBe(400_000)
      expect(valueIn(copy.absolute, 'SELECT count(*) FROM event')).toBe(8000)
      expect(valueIn(copy.absolute, 'PRAGMA integrity_check')).toBe('ok')
      expect(statSync(copy.absolute).mode & 0o777).toBe(0o600)
      expect(copy.size).toBe(statSync(copy.absolute).size)
    }
    expect(Atomics.load(commits, 0) - before).toBeGreaterThan(100)
  } finally {
    await writer.terminate()
  }
})

test('several databases are copied as they were at one moment', async () => {
  const [one, other] = ['one.db', 'other.db'].map((name) => makeBank(join(live, name), 3000)) as [
    DatabaseSync,
    DatabaseSync,
  ]
  const copying = copyDatabases([sourceOf('one.db'), sourceOf('other.db')], copies)
  // The pins stand when the first copy has begun.
  while (readdirSync(copies).length === 0) await new Promise(setImmediate)
  for (const database of [one, other]) database.exec('UPDATE account SET v = v + 1')
  for (const outcome of await copying) {
    expect(valueIn(copied(outcome).absolute, SUM)).toBe(400_000)
  }
  one.close()
  other.close()
  expect(valueIn(join(live, 'other.db'), SUM)).toBe(400_400)
})

test('a transaction that is held for too long, or over too large a log, is let go and the copy still made', async () => {
  const database = makeBank(join(live, 'bank.db'), 2000)
  database.exec('UPDATE account SET v = v + 1')
  for (const limits of [
    { pinMs: -1, logBytes: 1e9 },
    { pinMs: 30_000, logBytes: 0 },
  ]) {
    const copy = copied((await copyDatabases([sourceOf('bank.db')], copies, limits))[0])
    expect(copy.flaw).toBe('')
    expect(valueIn(copy.absolute, SUM)).toBe(400_400)
    await rm(copy.absolute)
  }
  database.close()
})

test.each(['WAL', 'DELETE'])(
  'of a database in %s mode that nobody has open nothing is left behind but what was there',
  async (mode) => {
    makeBank(join(live, 'bank.db'), 10, mode).close()
    const before = readFileSync(join(live, 'bank.db'))
    const copy = copied((await copyDatabases([sourceOf('bank.db')], copies))[0])
    expect(readdirSync(live)).toEqual(['bank.db'])
    expect(readFileSync(copy.absolute).equals(before)).toBe(true)
    expect(readdirSync(copies)).toEqual(['0.db'])
    expect(valueIn(copy.absolute, SUM)).toBe(400_000)
  },
)

test('what a killed gateway left in its log is in the copy, and the log stays where it is', async () => {
  const database = makeBank(join(live, 'running.db'))
  database.exec('UPDATE account SET v = v + 1')
  // The files as they are without the process: a kill leaves them, a copy to another machine has no index of the log.
  for (const suffix of ['', '-wal']) {
    writeFileSync(join(live, `killed.db${suffix}`), readFileSync(join(live, `running.db${suffix}`)))
  }
  database.close()
  const before = readFileSync(join(live, 'killed.db-wal'))
  expect(before.length).toBeGreaterThan(0)
  const copy = copied((await copyDatabases([sourceOf('killed.db')], copies))[0])
  expect(valueIn(copy.absolute, SUM)).toBe(400_400)
  expect(readdirSync(live).toSorted()).toEqual(['killed.db', 'killed.db-wal', 'running.db'])
  expect(readFileSync(join(live, 'killed.db-wal')).equals(before)).toBe(true)
})

test('a damaged database is copied and said to be damaged', async () => {
  const path = join(live, 'bank.db')
  makeBank(path, 100).close()
  const bytes = readFileSync(path)
  bytes.fill(0xaa, 4096 * 3, 4096 * 6)
  writeFileSync(path, bytes)
  const copy = copied((await copyDatabases([sourceOf('bank.db')], copies))[0])
  expect(copy.flaw).not.toBe('')
  expect(copy.size).toBe(bytes.length)
})

test('a file that is no database is copied as it lies', async () => {
  writeFileSync(join(live, 'notes.db'), 'not a database at all')
  const copy = copied((await copyDatabases([sourceOf('notes.db')], copies))[0])
  expect(copy.flaw).toContain('not a database')
  expect(readFileSync(copy.absolute, 'utf8')).toBe('not a database at all')
})

test('a database that is gone is left out', async () => {
  const [outcome] = await copyDatabases([sourceOf('gone.db')], copies)
  expect(outcome).toMatchObject({ omit: 'vanished' })
})

test('copies that do not fit are not begun', async () => {
  const huge = join(live, 'huge.db')
  makeBank(huge).close()
  // A hole of more bytes than any disk here has free.
  truncateSync(huge, 2 ** 43)
  await expect(copyDatabases([sourceOf('huge.db')], copies)).rejects.toThrow(OcmError)
  await expect(copyDatabases([sourceOf('huge.db')], copies)).rejects.toMatchObject({
    code: 'disk-full',
  })
  expect(readdirSync(copies)).toEqual([])
})
