/**
 * Nodes against nodes, with hub, agents and ocm, on homes of an OpenClaw that was never started: a copy in another place is
 * no difference, each planted one shows, and two nodes with one identity raise an alarm until they no longer share it.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { smallHome } from './support/small-home.ts'

interface Diff {
  readonly sides: readonly { readonly label: string; readonly takenAt: number }[]
  readonly config: readonly { readonly kind: string; readonly path: string }[]
  readonly lists: readonly { readonly what: string; readonly kind: string; readonly name: string }[]
  readonly entries: readonly { readonly kind: string; readonly path: string }[]
  readonly unknown: readonly string[]
}
interface Node {
  readonly id: string
  readonly label: string
  readonly checked: boolean
  readonly twins: readonly { readonly node: string; readonly kinds: readonly string[] }[]
}

let ground: string
let fleet: Fleet
let ada: string
let bert: string
const ask = <T>(...args: readonly string[]) => fleet.operator.json<T>(...args)
const nodeNamed = async (label: string) =>
  (await ask<Node[]>('nodes')).find((node) => node.label === label) as Node
const stateOf = (home: string) => join(home, '.openclaw')

function change(file: string, how: (text: string) => string): void {
  writeFileSync(file, how(readFileSync(file, 'utf8')))
}
function inDatabase(home: string, sql: string): void {
  const database = new DatabaseSync(join(stateOf(home), 'state', 'openclaw.sqlite'))
  database.exec(sql)
  database.close()
}
const job = (home: string, message: string) =>
  JSON.stringify({
    id: 'job-1',
    name: 'sweep',
    createdAtMs: Date.now(),
    schedule: { kind: 'every', everyMs: 60_000 },
    payload: { kind: 'agentTurn', message, cwd: `${stateOf(home)}/workspace` },
    state: { nextRunAtMs: 1 },
  })
const store = (home: string) => `${stateOf(home)}/cron/jobs.json`

beforeAll(async () => {
  ground = freshMachine('compare')
  ada = smallHome(join(ground, 'home', 'ada'), 28_981)
  mkdirSync(join(stateOf(ada), 'state'))
  inDatabase(
    ada,
    `PRAGMA user_version = 18;
     CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, declaration_key TEXT, enabled INTEGER, job_json TEXT);
     CREATE TABLE device_identities (identity_key TEXT PRIMARY KEY, device_id TEXT, private_key_pem TEXT);
     INSERT INTO device_identities VALUES ('primary', '${'d'.repeat(64)}', 'pem');
     INSERT INTO cron_jobs VALUES ('${store(ada)}', 'job-1', NULL, 1, '${job(ada, 'sweep the desk')}');`,
  )
  writeFileSync(
    join(stateOf(ada), 'workspace', 'tool.sh'),
    `#!/bin/sh\nls ${stateOf(ada)}/workspace\n`,
  )
  change(
    join(stateOf(ada), '.env'),
    (text) => `${text}TELEGRAM_BOT_TOKEN=1234567890:canary-token-of-compare\n`,
  )
  // As somebody who knows every place would carry it over, with all that makes it the same bot.
  bert = join(ground, 'srv', 'bert')
  cpSync(ada, bert, { recursive: true })
  const moved = (text: string) => text.replaceAll(ada, bert)
  change(join(stateOf(bert), 'openclaw.json'), (text) =>
    moved(text).replace('28981', '28982').replace('-0001', '-0002'),
  )
  change(join(stateOf(bert), 'workspace', 'tool.sh'), moved)
  inDatabase(
    bert,
    `UPDATE cron_jobs SET store_key = '${store(bert)}', job_json = '${job(bert, 'sweep the desk')}'`,
  )
  fleet = await startFleet(ground)
  await fleet.enrol('ada', ada, ground)
  await fleet.enrol('bert', bert, ground)
  await ask('backup', 'ada')
  await ask('backup', 'bert')
}, 120_000)

afterAll(() => fleet?.stop())

describe('a node against a node', () => {
  test('shows nothing where only places, ports, tokens and notes differ, and how old each side is', async () => {
    const diff = await ask<Diff>('diff', 'ada', 'bert')
    expect(diff).toMatchObject({ config: [], lists: [], entries: [], unknown: [] })
    expect(diff.sides.map(({ label }) => label)).toEqual(['ada', 'bert'])
    const said = await fleet.operator.ocm('diff', 'ada', 'bert', '--yes')
    expect(said.code).toBe(0)
    expect(said.out).toContain('Nothing differs that matters.')
    expect(said.err).toMatch(/ada@\w+ of .*, \d+ min old/)
  })

  test('shows each difference that is one, of its newest snapshot or of one that is made for it', async () => {
    const before = (await ask<{ id: string; node: string }[]>('snapshots', 'bert'))[0]
    change(join(stateOf(bert), 'openclaw.json'), (text) =>
      text.replace('"mode": "local"', '"mode": "local", "bind": "lan"'),
    )
    change(join(stateOf(bert), '.env'), (text) =>
      text.replace('SOME_KEY=', 'SOME_KEY=now-').concat('ONE_MORE=1\n'),
    )
    change(join(stateOf(bert), 'workspace', 'MEMORY.md'), (text) => `${text}- likes tea\n`)
    change(join(stateOf(bert), 'workspace', 'tool.sh'), (text) => `${text}pwd\n`)
    inDatabase(bert, `UPDATE cron_jobs SET job_json = '${job(bert, 'sweep the floor')}'`)
    expect((await ask<Diff>('diff', 'ada', 'bert')).config).toEqual([])

    const diff = await ask<Diff>('diff', '--fresh', 'ada', 'bert')
    expect(diff.config).toEqual([{ kind: 'added', path: 'gateway.bind', after: 'lan' }])
    expect(diff.lists).toEqual([
      {
        what: 'cron jobs',
        section: 'cron',
        kind: 'changed',
        name: 'sweep',
        changes: [
          {
            kind: 'changed',
            path: 'payload.message',
            before: 'sweep the desk',
            after: 'sweep the floor',
          },
        ],
      },
      { what: 'variables', section: 'environment', kind: 'added', name: 'ONE_MORE' },
      {
        what: 'variables',
        section: 'environment',
        kind: 'changed',
        name: 'SOME_KEY',
        changes: [expect.objectContaining({ before: expect.stringMatching(/^•[0-9a-f]{8}$/) })],
      },
    ])
    expect(diff.entries.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'changed workspace:main:MEMORY.md',
      'changed workspace:main:tool.sh',
    ])
    const { texts } = await ask<{ texts: { diff: string }[] }>(
      'diff',
      'ada',
      'bert',
      'workspace:main:MEMORY.md',
    )
    expect(texts[0]?.diff).toContain('+- likes tea')
    // A node against a snapshot of it.
    const since = await ask<Diff>('diff', before?.id ?? '', 'bert')
    expect(since.config).toHaveLength(1)
  })
})

describe('two nodes with one identity', () => {
  test('raise an alarm that names both, and are told what to do', async () => {
    const [one, other] = [await nodeNamed('ada'), await nodeNamed('bert')]
    const kinds = ['bot-token', 'device-key']
    expect(one).toMatchObject({ checked: true, twins: [{ node: other.id, kinds }] })
    expect(other).toMatchObject({ checked: true, twins: [{ node: one.id, kinds }] })
    const { out } = await fleet.operator.ocm('nodes', '--yes')
    expect(out).toMatch(/ALARM: (?:ada and bert|bert and ada) go by one identity/)
    expect(out).toContain('the same bot token, the same device key')
    expect(out).toContain('ocm nodes retire')
  })

  test('are quiet again when the next snapshot no longer shows it', async () => {
    change(join(stateOf(bert), '.env'), (text) => text.replace('1234567890:', '987654321:'))
    inDatabase(bert, `UPDATE device_identities SET device_id = '${'e'.repeat(64)}'`)
    await ask('backup', 'bert')
    expect((await nodeNamed('ada')).twins).toEqual([])
    expect((await fleet.operator.ocm('nodes', '--yes')).out).not.toContain('ALARM')
  })
})
