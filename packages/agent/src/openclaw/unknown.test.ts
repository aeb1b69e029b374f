import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { pathFromBytes } from '@ocm/protocol'
import { examine } from './examine.ts'
import { rewriteStaged } from './rewriting.ts'
import { type Node, captured, layoutOf, makeNode, stage, whereOf } from './staged.fixture.ts'

const findingsOf = (node: Node, recall?: Uint8Array) =>
  examine(captured(node, recall), whereOf(node))

const RAISED = `
  PRAGMA user_version = 31;
  CREATE TABLE planted (id TEXT NOT NULL PRIMARY KEY, place TEXT, words TEXT);
  ALTER TABLE state_leases ADD COLUMN nothing_of_ours INTEGER;
  ALTER TABLE device_identities ADD COLUMN key_file TEXT;
  CREATE TABLE empty_of_the_future (place TEXT);`

const planted = () => {
  // The home is only known once the node is made, so the rows come with a second hand.
  const node = makeNode(RAISED)
  const database = new DatabaseSync(node.home.at('.openclaw/state/openclaw.sqlite'))
  const H = node.home.home
  database.exec(`INSERT INTO planted VALUES ('a', '${H}/work/deep', 'it is in ${H}/work now')`)
  database.exec(`UPDATE device_identities SET key_file = '${H}/.openclaw/device.pem'`)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return node
}

test('a table, a column and a schema of a later version are told by name, and looked through', async () => {
  const node = planted()
  const H = node.home.home
  const { unknowns, mentions } = await findingsOf(node)
  expect(unknowns).toEqual([
    {
      name: 'state:state/openclaw.sqlite',
      schema: 31,
      known: 18,
      parts: ['device_identities.key_file', 'from_the_future', 'planted'],
    },
  ])
  const found = mentions
    .filter(({ at }) => /^(?:planted|device_identities\.key_file)/.test(at))
    .map((m) => [pathFromBytes(m.path), m.at, m.class, m.text])
  expect(found).toEqual([
    [
      'state/openclaw.sqlite',
      'device_identities.key_file primary',
      'unknown',
      `${H}/.openclaw/device.pem`,
    ],
    ['state/openclaw.sqlite', 'planted.place a', 'unknown', `${H}/work/deep`],
    ['state/openclaw.sqlite', 'planted.words a', 'prose', `it is in ${H}/work now`],
  ])
})

test('the rewriting changes in them what was told, and no more', async () => {
  const node = planted()
  const { staged, at } = stage(node, layoutOf('/srv/bob', { 'workspace:work': '/data/work' }))
  await rewriteStaged(staged)
  const database = new DatabaseSync(at('/srv/bob/.openclaw/state/openclaw.sqlite'))
  const [row] = database.prepare('SELECT place, words FROM planted').all()
  expect(row).toEqual({ place: '/data/work/deep', words: `it is in ${node.home.home}/work now` })
  const [key] = database.prepare('SELECT key_file FROM device_identities').all()
  expect(key).toEqual({ key_file: '/srv/bob/.openclaw/device.pem' })
  database.close()
})

test('a second capture of the same content remembers what was unknown in it', async () => {
  const node = planted()
  const first = await findingsOf(node)
  const second = await findingsOf(node, first.remember)
  expect(second.unknowns).toEqual(first.unknowns)
})

test('what is called like something that every object has is a table and a column like any other', async () => {
  const node = makeNode(`
    CREATE TABLE constructor (valueOf TEXT, place TEXT);
    CREATE TABLE plain (id INTEGER PRIMARY KEY, constructor TEXT);`)
  const H = node.home.home
  const database = new DatabaseSync(node.home.at('.openclaw/state/openclaw.sqlite'))
  database.exec(`INSERT INTO constructor VALUES ('${H}/work/a', '${H}/work/b')`)
  database.exec(`INSERT INTO plain VALUES (1, '${H}/work/c')`)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  const { mentions } = await findingsOf(node)
  const found = mentions.filter(({ at }) => /^(?:constructor|plain)\./.test(at))
  expect(found.map(({ text }) => text).toSorted()).toEqual(
    ['a', 'b', 'c'].map((name) => `${H}/work/${name}`),
  )
})
