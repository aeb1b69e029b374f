import { copyFileSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import type { Captured, Findings } from '../installation.port.ts'
import { captureOf } from './captured.fixture.ts'
import { change, makeBusyNode, numbers } from './changes.fixture.ts'
import { makeDatabase } from './home.fixture.ts'
import { createInstallation } from './installation.ts'
import type { Node } from './staged.fixture.ts'

const installationOf = ({ home }: Node) =>
  createInstallation({
    home: home.home,
    env: {},
    agentStateDir: home.at('agent'),
    openclawBin: '/nowhere/openclaw',
    now: () => 0,
  })

/** @param more instead of what a capture hands over */
async function examined(node: Node, recall?: Uint8Array, more: Partial<Captured> = {}) {
  const installation = installationOf(node)
  const capture = await captureOf(await installation.survey(), recall)
  const findings = await installation.examine({ ...capture, ...more })
  return { findings, asked: capture.asked }
}

const withoutMemory = (findings: Findings) => ({ ...findings, remember: undefined })

describe('what was found before', () => {
  test('is neither opened nor read again while nothing changes', async () => {
    const node = makeBusyNode()
    const first = await examined(node)
    expect(first.asked).toEqual(
      expect.arrayContaining(['state:state/openclaw.sqlite', 'state:openclaw.json']),
    )
    const second = await examined(node, first.findings.remember)
    expect(second.asked).toEqual([])
    expect(withoutMemory(second.findings)).toEqual(withoutMemory(first.findings))
    expect(second.findings.mentions.length).toBeGreaterThan(30)
    // Nothing new to remember: what is kept on the disk needs not be written again.
    const recall = Uint8Array.from(first.findings.remember)
    expect((await examined(node, recall)).findings.remember).toBe(recall)
  })

  test('is looked for again in the one database and the one file that changed', async () => {
    const node = makeBusyNode()
    const first = await examined(node)
    const { home } = node
    home.write('work/notes/3.md', `now with ${home.home}/work/x`)
    const database = new DatabaseSync(
      home.at('.openclaw/agents/second/agent/openclaw-agent.sqlite'),
    )
    database.exec("INSERT INTO session_nodes VALUES ('k2', 'session-2')")
    database.close()
    const { asked, findings } = await examined(node, first.findings.remember)
    expect(asked.toSorted()).toEqual([
      'state:agents/second/agent/openclaw-agent.sqlite',
      'workspace:work:notes/3.md',
    ])
    expect(findings.inventory?.sessions['second']).toEqual(['session-0', 'session-2'])
    expect(findings.mentions.length).toBe(first.findings.mentions.length + 1)
  })

  test('counts as nothing when it is damaged, foreign or of another layout', async () => {
    const node = makeBusyNode()
    const first = await examined(node)
    const { remember } = first.findings
    for (const at of [0, 20, 60, 78, remember.length - 1]) {
      const damaged = Uint8Array.from(remember)
      damaged[at] = (damaged[at] as number) ^ 1
      const { findings, asked } = await examined(node, damaged)
      expect(withoutMemory(findings)).toEqual(withoutMemory(first.findings))
      expect(asked.length).toBe(first.asked.length)
      expect(findings.remember).toEqual(remember)
    }
    for (const foreign of [
      new Uint8Array(0),
      remember.subarray(0, 70),
      remember.subarray(0, remember.length - 1),
      readFileSync(process.execPath).subarray(0, 5000),
    ]) {
      expect((await examined(node, foreign)).asked.length).toBe(first.asked.length)
    }
    const other = await examined(makeBusyNode(), remember)
    expect(JSON.stringify(other.findings.mentions)).not.toContain(node.home.home)
  })

  test('no secret is kept in it', async () => {
    const { remember } = (await examined(makeBusyNode())).findings
    expect(Buffer.from(remember).toString('latin1')).not.toMatch(
      /gateway-token-of-a|bot-token-of-a|env-token-of-a|sk-[12]|PRIVATE KEY/,
    )
  })

  test('is the same as what is found from scratch, whatever happens in between', async () => {
    let recalled = 0
    for (const seed of [1, 2]) {
      const node = makeBusyNode()
      const next = numbers(seed)
      const done: string[] = []
      let recall = (await examined(node)).findings.remember
      for (let round = 0; round < 15; round++) {
        for (let n = 0; n < 3; n++) done.push(change(node, next))
        const scratch = await examined(node)
        const { findings, asked } = await examined(node, recall)
        expect(withoutMemory(findings), `seed ${seed}: ${done.join(', ')}`).toEqual(
          withoutMemory(scratch.findings),
        )
        recalled += scratch.asked.length - asked.length
        recall = findings.remember
      }
    }
    expect(recalled).toBeGreaterThan(200)
  }, 60_000)
})

test('large texts are told, and by how they begin; plugins are told with where they run from', async () => {
  const node = makeBusyNode()
  const { home } = node
  const large = 'x'.repeat(1024 * 1024 + 1)
  home.write('work/said.jsonl', large)
  home.write('work/data', `\0${large}`)
  home.write('work/photo.png', large)
  home.write('work/node_modules/a/index.js', large)
  const database = new DatabaseSync(home.at('.openclaw/state/openclaw.sqlite'))
  const installed = { p: { installPath: '/opt/p' }, odd: { installPath: 'relative' } }
  database
    .prepare("REPLACE INTO config_machine_state VALUES ('plugins.installedIndex', ?)")
    .run(JSON.stringify({ index: { installRecords: installed } }))
  database.close()
  const { findings } = await examined(node)
  expect(findings.blind?.texts).toBe(1)
  expect(findings.blind?.first).toMatchObject([
    { root: 'workspace:work', section: 'workspaces', size: large.length },
  ])
  expect(findings.plugins).toEqual([{ id: 'p', path: '/opt/p' }])
  const again = await examined(node, findings.remember)
  expect(again.asked).toEqual([])
  expect(again.findings.blind).toEqual(findings.blind)
})

test('databases of people, and words in another encoding that name a place, are told as not looked through', async () => {
  const node = makeBusyNode()
  const { home } = node
  const place = Buffer.from(`${home.home}/work`)
  home.write('work/latin.txt', Buffer.concat([Buffer.from([0x47, 0xfc, 0x6e]), place]))
  home.write('work/latin-without.txt', Buffer.from([0x47, 0xfc, 0x6e]))
  home.write('work/no-database.db', 'words')
  makeDatabase(home.at('work/notes.db'), 'CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  const { findings } = await examined(node)
  const told = findings.blind?.first.map(({ path, is }) => [Buffer.from(path).toString(), is])
  expect(told?.toSorted()).toEqual([
    ['latin.txt', 'encoding'],
    ['notes.db', 'database'],
  ])
  const again = await examined(node, findings.remember)
  expect(again.asked).toEqual([])
  expect(again.findings.blind).toEqual(findings.blind)
})

describe('while a capture goes on', () => {
  test('a file that is not the captured one any more is not remembered as if it were', async () => {
    const node = makeBusyNode()
    const { home } = node
    const first = await examined(node, undefined, {
      read: (place) =>
        place.path === 'notes/3.md'
          ? { bytes: Buffer.from(`${home.home}/work/other`), isSame: false }
          : { bytes: readFileSync(home.at(pathOf(place))), isSame: true },
    })
    expect(ofOther(first.findings)).toBe(1)
    const second = await examined(node, first.findings.remember)
    expect(second.asked).toEqual(['workspace:work:notes/3.md'])
    expect(ofOther(second.findings)).toBe(0)
  })

  test('an original that changes while it is looked into is asked for again', async () => {
    const node = makeBusyNode()
    const { home } = node
    const file = home.at('.openclaw/state/openclaw.sqlite')
    const copy = home.at('copy')
    copyFileSync(file, copy)
    const expected = await examined(node)
    const given: string[] = []
    const changeSoon = async () => {
      // The scan gives way after each table, and has begun by then.
      for (let turn = 0; turn < 12; turn++) await Promise.resolve()
      const database = new DatabaseSync(file)
      database.exec('DELETE FROM cron_jobs; DELETE FROM workspace_setup_state; VACUUM')
      database.close()
    }
    const { findings } = await examined(node, undefined, {
      openDatabase(place) {
        if (place.path !== 'state/openclaw.sqlite')
          return Promise.resolve(home.at(`.openclaw/${place.path}`))
        given.push(given.length === 0 ? file : copy)
        if (given.length === 1) void changeSoon()
        return Promise.resolve(given.at(-1))
      },
    })
    expect(given).toEqual([file, copy])
    expect(withoutMemory(findings)).toEqual(withoutMemory(expected.findings))
  })

  test('a database that cannot be had any more costs what it would have told, and says so', async () => {
    const node = makeBusyNode()
    const { findings } = await examined(node, undefined, {
      openDatabase: () => Promise.resolve(undefined),
    })
    expect(findings.warnings.map(({ code }) => code)).toContain('mentions-missing')
    expect(findings.inventory?.sessions).toEqual({ work: ['s-file'] })
    const second = await examined(node, findings.remember)
    expect(second.asked).toContain('state:state/openclaw.sqlite')
  })

  test('files without a mark are not read', async () => {
    const node = makeBusyNode()
    const installation = installationOf(node)
    const capture = await captureOf(await installation.survey())
    const entries = capture
      .entries()
      .map((one) => (one.place.path.startsWith('notes/') ? { ...one, marked: false } : one))
    const marked = { ...capture, entries: () => entries }
    const findings = await installation.examine(marked)
    expect(capture.asked.filter((name) => name.includes('notes/'))).toEqual([])
    expect(withoutMemory(findings)).toEqual(withoutMemory((await examined(node)).findings))
  })

  test('other work has its turn', async () => {
    const node = makeBusyNode()
    const database = new DatabaseSync(node.home.at('.openclaw/some-plugin/store.db'))
    database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
      INSERT INTO notes SELECT printf('%d %s', i, hex(zeroblob(400))) FROM n`)
    database.close()
    const installation = installationOf(node)
    const capture = await captureOf(await installation.survey())
    let turns = 0
    const timer = setInterval(() => (turns += 1), 1)
    await installation.examine(capture)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(0)
  })
})

const ofOther = ({ mentions }: Findings) =>
  mentions.filter(({ text }) => text.endsWith('/work/other')).length

const pathOf = ({ root, path }: { root: string; path: string }) =>
  root === 'state'
    ? `.openclaw/${path}`
    : root === 'workspace:work'
      ? `work/${path}`
      : `.openclaw/workspace/${path}`
