import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import JSON5 from 'json5'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Layout, rewriteText, rulesBetween } from '@ocm/protocol'
import { rewriteStaged } from './rewriting.ts'
import {
  type Node,
  captured,
  filesUnder,
  layoutOf,
  makeNode,
  sha,
  stage,
  whereOf,
} from './staged.fixture.ts'
import { examine } from './examine.ts'

const BOB = layoutOf('/srv/bob', { 'workspace:work': '/data/work' })
const there = (layout: Layout = BOB): Layout => ({ ...layout, hostname: 'node-b', port: 28_920 })

const open = (file: string): DatabaseSync => {
  const database = new DatabaseSync(file, { readOnly: true })
  onTestFinished(() => database.close())
  return database
}
const stateOf = (at: (absolute: string) => string, to: Layout) =>
  open(at(`${to.roots['state']}/state/openclaw.sqlite`))
const configOf = (at: (absolute: string) => string, to: Layout) =>
  JSON5.parse(readFileSync(at(`${to.roots['state']}/openclaw.json`), 'utf8'))
const value = (database: DatabaseSync, sql: string): unknown =>
  Object.values(database.prepare(sql).get() ?? {})[0]
const values = (database: DatabaseSync, sql: string): readonly unknown[] =>
  database
    .prepare(sql)
    .all()
    .flatMap((row) => Object.values(row))

/** Every place in a tree where `needle` still stands: files, link targets, cells of tables. */
function remainsOf(needle: string, directory: string): readonly string[] {
  return filesUnder(directory).flatMap((file) => {
    const name = path.relative(directory, file)
    if (lstatSync(file).isSymbolicLink()) return readlinkSync(file).includes(needle) ? [name] : []
    if (!name.endsWith('.sqlite')) return readFileSync(file).includes(needle) ? [name] : []
    const database = open(file)
    return values(database, "SELECT name FROM sqlite_master WHERE type = 'table'").flatMap(
      (table) =>
        database
          .prepare(`SELECT * FROM "${String(table)}"`)
          .all()
          .flatMap((row) => Object.entries(row))
          .filter(([, cell]) => typeof cell === 'string' && cell.includes(needle))
          .map(([column]) => `${path.basename(name)} ${String(table)}.${column}`),
    )
  })
}

async function moved(more?: { node?: Node; to?: Layout; prose?: boolean }) {
  const node = more?.node ?? makeNode()
  const to = there(more?.to)
  const { staged, at } = stage(node, to, { prose: more?.prose ?? false })
  const rewritten = await rewriteStaged(staged)
  return { node, to, at, rewritten, staged, old: node.home.home }
}

describe('a move to another home', () => {
  test('leaves the old path nowhere but in words and in what was said', async () => {
    const { at, old } = await moved()
    expect([...new Set(remainsOf(old, at('')))].toSorted()).toEqual([
      'data/work/blob.bin',
      'data/work/tool.sh',
      'openclaw-agent.sqlite session_nodes.entry_json',
      'openclaw-agent.sqlite transcript_events.event_json',
      'openclaw.sqlite cron_job_scratch.content',
      'openclaw.sqlite cron_jobs.job_json',
      'openclaw.sqlite from_the_future.words',
      'openclaw.sqlite notes_fts.text',
      'openclaw.sqlite notes_fts_content.c0',
      'openclaw.sqlite task_runs.detail_json',
      'openclaw.sqlite task_runs.task',
      'srv/bob/.openclaw/openclaw.json',
      'srv/bob/.openclaw/skills/s/SKILL.md',
      'srv/bob/.openclaw/workspace/MEMORY.md',
    ])
  })

  test('rewrites words too when that is chosen, but not what was said', async () => {
    const { at, old } = await moved({ prose: true })
    expect([...new Set(remainsOf(old, at('')))].toSorted()).toEqual([
      'data/work/blob.bin',
      'openclaw-agent.sqlite session_nodes.entry_json',
      'openclaw-agent.sqlite transcript_events.event_json',
      'openclaw.sqlite notes_fts.text',
      'openclaw.sqlite notes_fts_content.c0',
      'openclaw.sqlite task_runs.detail_json',
    ])
    expect(readFileSync(at('/data/work/tool.sh'), 'utf8')).toBe('#!/bin/sh\ncd /data/work\n')
  })

  test('changes exactly what the mentions said it would', async () => {
    const node = makeNode()
    const { mentions } = await examine(captured(node), whereOf(node))
    const { rewritten } = await moved({ node })
    const rules = rulesBetween(node.layout, BOB)
    const expected = (is: string) =>
      mentions.filter(
        (m) => m.kind === 'path' && m.class === is && rewriteText(m.text, rules) !== m.text,
      ).length
    expect(rewritten.changed['structured paths']).toBe(expected('structured'))
    expect(rewritten.changed['unknown paths']).toBe(expected('unknown'))
    expect(expected('structured')).toBeGreaterThan(30)
    expect(expected('unknown')).toBeGreaterThan(3)
    expect(rewritten.changed['prose paths']).toBeUndefined()
  })

  test('keeps the comments of the configuration and everything that is no path', async () => {
    const { at, to, old } = await moved()
    const text = readFileSync(at('/srv/bob/.openclaw/openclaw.json'), 'utf8')
    expect(text).toMatch(/^\/\/ mine\n/)
    expect(text).toContain('/* here */')
    expect(configOf(at, to)).toMatchObject({
      agents: {
        defaults: { workspace: '/srv/bob/.openclaw/workspace' },
        entries: {
          work: { workspace: '/data/work', agentDir: '/srv/bob/.openclaw/agents/work/agent' },
        },
      },
      models: { $include: './models.json5' },
      mcp: {
        servers: {
          demo: {
            command: '/usr/bin/env',
            args: ['--root=/data/work'],
            env: { HOMES: '/data/work:/srv/bob/x' },
          },
        },
      },
      plugins: {
        entries: {
          third: { config: { odd: '/srv/bob/odd', prompt: `Look into ${old}/work first.` } },
        },
      },
      gateway: { auth: { token: 'gateway-token-of-a' } },
      channels: {
        telegram: { enabled: true, botToken: '123:bot-token-of-a', groups: { '-1001': {} } },
      },
    })
    expect(readFileSync(at('/srv/bob/.openclaw/models.json5'), 'utf8')).toBe(
      `// included\n{ providers: { mock: { baseUrl: 'http://localhost:9999/v1', localService: { cwd: '/data/work' } } } }\n`,
    )
    expect(readFileSync(at('/srv/bob/.openclaw/.env'), 'utf8')).toBe(
      '# env\nWORK="/data/work" # there\nTELEGRAM_BOT_TOKEN=456:env-token-of-a\nKEY=sk-1\n',
    )
    expect(
      readFileSync(at('/srv/bob/.openclaw/skills/s/.openclaw/source-origin.json'), 'utf8'),
    ).toBe('{\n  "spec":   "/srv/bob/src/s"\n}\n')
  })

  test('the gateway listens on the port of the plan, and its own addresses follow', async () => {
    const { at, to } = await moved()
    expect(configOf(at, to).gateway).toMatchObject({
      port: 28_920,
      controlUi: { allowedOrigins: ['http://127.0.0.1:28920', 'https://node-a.example'] },
    })
  })

  test('cron jobs keep their ids and are found under the key of the new state directory', async () => {
    const { at, to, old } = await moved()
    const database = stateOf(at, to)
    const store = '/srv/bob/.openclaw/cron/jobs.json'
    for (const table of ['cron_jobs', 'cron_job_scratch', 'cron_run_receipts']) {
      expect(new Set(values(database, `SELECT store_key FROM ${table}`))).toEqual(new Set([store]))
    }
    expect(values(database, 'SELECT job_id FROM cron_jobs ORDER BY job_id')).toEqual([
      'command',
      'report',
      'system',
    ])
    const command = String(
      value(database, "SELECT job_json FROM cron_jobs WHERE job_id = 'command'"),
    )
    expect(JSON.parse(command).payload).toEqual({
      kind: 'command',
      argv: ['sh', '-lc', 'ls /data/work'],
      cwd: '/data/work',
      env: { ROOT: '/data/work' },
    })
    expect(command).toContain('"chat":12345678901234567890')
    expect(value(database, "SELECT job_json FROM cron_jobs WHERE job_id = 'report'")).toContain(
      `Write to ${old}/work/report.md`,
    )
    expect(values(database, 'SELECT state_key FROM config_machine_state')).toContain(
      `cron.quarantine:${store}`,
    )
    expect(
      value(database, "SELECT value_json FROM config_machine_state WHERE state_key = 'cron.store'"),
    ).toBe(JSON.stringify(store))
    // The history of its runs is found by the same key.
    expect(JSON.parse(String(value(database, 'SELECT detail_json FROM task_runs')))).toEqual({
      kind: 'cron-run',
      storeKey: store,
      summary: `saw ${old}/work and more`,
    })
  })

  test('workspaces get the keys of their new paths, with all that hangs on them', async () => {
    const { at, to } = await moved()
    const database = stateOf(at, to)
    const keys = [sha('/data/work'), sha('/srv/bob/.openclaw/workspace')].toSorted()
    const setup = 'SELECT workspace_key FROM workspace_setup_state WHERE workspace_path IS NOT NULL'
    expect(values(database, setup).toSorted()).toEqual(keys)
    expect(
      values(database, 'SELECT workspace_key FROM workspace_generated_bootstrap_hashes').toSorted(),
    ).toEqual(keys)
    expect(database.prepare('SELECT * FROM workspace_path_aliases').get()).toEqual({
      alias_key: sha('/data/work'),
      alias_path: '/data/work',
      workspace_key: sha('/data/work'),
      workspace_path: '/data/work',
    })
    expect(
      value(database, "SELECT count(*) FROM workspace_setup_state WHERE workspace_key = 'orphan'"),
    ).toBe(1)
  })

  test('approvals, plugin records and tables of the future follow', async () => {
    const { at, to, old } = await moved()
    const database = stateOf(at, to)
    expect(value(database, 'SELECT raw_json FROM exec_approvals_config')).toBe(
      '{\n  "socket": {\n    "path": "/srv/bob/.openclaw/exec-approvals.sock"\n  },\n  "agents": {\n    "work": [\n      "/data/work/*.sh"\n    ]\n  }\n}\n',
    )
    expect(
      value(
        database,
        "SELECT value_json FROM config_machine_state WHERE state_key = 'plugins.installedIndex'",
      ),
    ).toBe(
      '{"installRecords":{"p":{"installPath":"/srv/bob/.openclaw/extensions/p"}},"plugins":[{"source":"/opt/openclaw/dist/x.js"}]}',
    )
    expect(database.prepare('SELECT * FROM from_the_future').get()).toEqual({
      folder: '/data/work/future',
      words: `said ${old}/work is fine`,
      tree: '{"deep":[{"dir":"/data/work"}]}',
      n: 1,
    })
    expect(values(database, 'SELECT value FROM secret_store_entries ORDER BY name')).toEqual([
      '/data/work',
      '/abc/def+ghi==',
    ])
  })

  test('a conversation works where its workspace is now, and what it said stays', async () => {
    const { at, old } = await moved()
    const database = open(at('/srv/bob/.openclaw/agents/work/agent/openclaw-agent.sqlite'))
    expect(JSON.parse(String(value(database, 'SELECT entry_json FROM session_nodes')))).toEqual({
      sessionId: 's1',
      spawnedCwd: '/data/work/sub',
      last: `I looked at ${old}/work`,
    })
    expect(values(database, 'SELECT path FROM memory_index_sources')).toEqual([
      '/data/work/notes.md',
      'memory/a.md',
    ])
  })

  test('links lead to where their targets are now, also those that went out of their root', async () => {
    const { at } = await moved()
    expect(readlinkSync(at('/data/work/absolute.sh'))).toBe('/data/work/tool.sh')
    expect(readlinkSync(at('/data/work/relative.sh'))).toBe('tool.sh')
    expect(readlinkSync(at('/data/work/env'))).toBe('/usr/bin/env')
    expect(readlinkSync(at('/data/work/skills'))).toBe('../../srv/bob/.openclaw/skills')
  })

  test('rows of a process that is gone do not travel, identities and messages do', async () => {
    const { at, to } = await moved()
    const database = stateOf(at, to)
    const count = (table: string) => value(database, `SELECT count(*) FROM ${table}`)
    expect([count('state_leases'), count('diagnostic_events')]).toEqual([0, 0])
    expect([count('device_identities'), count('delivery_queue_entries')]).toEqual([1, 1])
  })

  test('databases are whole, in the mode they had, and nothing lies beside them', async () => {
    const { at, to } = await moved()
    const directory = at(`${to.roots['state']}/state`)
    expect(readdirSync(directory)).toEqual(['openclaw.sqlite'])
    const header = readFileSync(path.join(directory, 'openclaw.sqlite')).subarray(18, 20)
    expect([...header]).toEqual([2, 2])
    expect(value(stateOf(at, to), 'PRAGMA integrity_check')).toBe('ok')
    expect(values(stateOf(at, to), 'PRAGMA foreign_key_check')).toEqual([])
  })

  test('files keep their modes and are not changed through another name', async () => {
    const node = makeNode()
    const before = readFileSync(node.home.at('.openclaw/openclaw.json'))
    const { at } = await moved({ node })
    expect(readFileSync(node.home.at('.openclaw/openclaw.json'))).toEqual(before)
    expect(statSync(at('/srv/bob/.openclaw/openclaw.json')).mode).toBe(
      statSync(node.home.at('.openclaw/openclaw.json')).mode,
    )
  })
})

describe('layouts that are hard', () => {
  test('a new home inside the old one', async () => {
    const node = makeNode()
    const inside = `${node.home.home}/sub/new`
    const { at, to } = await moved({ node, to: layoutOf(inside) })
    expect(configOf(at, to).agents.defaults.workspace).toBe(`${inside}/.openclaw/workspace`)
    expect(value(stateOf(at, to), 'SELECT store_key FROM cron_jobs')).toBe(
      `${inside}/.openclaw/cron/jobs.json`,
    )
  })

  test('two workspaces that change places', async () => {
    const node = makeNode()
    const H = node.home.home
    const swapped = layoutOf(H, {
      'workspace:main': `${H}/work`,
      'workspace:work': `${H}/.openclaw/workspace`,
    })
    const { at, to } = await moved({ node, to: swapped })
    expect(configOf(at, to).agents).toMatchObject({
      defaults: { workspace: `${H}/work` },
      entries: { work: { workspace: `${H}/.openclaw/workspace` } },
    })
    const database = stateOf(at, to)
    const setup = database
      .prepare(
        'SELECT workspace_key AS k, workspace_path AS p FROM workspace_setup_state WHERE p IS NOT NULL',
      )
      .all()
    expect(setup).toHaveLength(2)
    for (const row of setup) expect(row['k']).toBe(sha(String(row['p'])))
    expect(
      values(database, 'SELECT workspace_key FROM workspace_generated_bootstrap_hashes'),
    ).toHaveLength(2)
  })

  test('rows left over from an earlier life at the new place give way', async () => {
    const node = makeNode(
      `INSERT INTO cron_jobs VALUES ('/srv/bob/.openclaw/cron/jobs.json', 'report', NULL, 'stale', 1, '{}', '{}');
       INSERT INTO workspace_setup_state VALUES ('${sha('/data/work')}', '/data/work');`,
    )
    const { at, to } = await moved({ node })
    const database = stateOf(at, to)
    expect(values(database, "SELECT name FROM cron_jobs WHERE job_id = 'report'")).toEqual([
      'report',
    ])
    expect(
      value(
        database,
        "SELECT count(*) FROM workspace_setup_state WHERE workspace_path = '/data/work'",
      ),
    ).toBe(1)
  })

  test('a configuration that is not JSON5 gets its paths right all the same', async () => {
    const node = makeNode()
    node.home.write(
      '.openclaw/openclaw.json',
      `{ agents: { workspace: "${node.home.home}/work", \n`,
    )
    const { at } = await moved({ node })
    expect(readFileSync(at('/srv/bob/.openclaw/openclaw.json'), 'utf8')).toBe(
      '{ agents: { workspace: "/data/work", \n',
    )
  })

  test('a node of before the database, without any rows', async () => {
    const node = makeNode()
    const home = node.home
    const database = new DatabaseSync(home.at('.openclaw/state/openclaw.sqlite'))
    database.exec(
      'DROP TABLE workspace_setup_state; DROP TABLE workspace_path_aliases; DROP TABLE cron_jobs',
    )
    database.close()
    home.write(
      '.openclaw/cron/jobs.json',
      `{"jobs":[{"payload":{"argv":["ls ${home.home}/work"]}}]}`,
    )
    const { at } = await moved({ node })
    expect(readFileSync(at('/srv/bob/.openclaw/cron/jobs.json'), 'utf8')).toBe(
      '{"jobs":[{"payload":{"argv":["ls /data/work"]}}]}',
    )
  })
})

test('a restore in place changes nothing but what belongs to a process that is gone', async () => {
  const node = makeNode()
  const { at, staged } = stage(node, node.layout, { kind: 'restore' })
  const { changed } = await rewriteStaged(staged)
  expect(changed).toEqual({ 'rows left behind': 2 })
  const database = stateOf(at, node.layout)
  expect(value(database, 'SELECT count(*) FROM diagnostic_events')).toBe(1)
  // They were sent since: a second time would be one too many.
  expect(value(database, 'SELECT count(*) FROM delivery_queue_entries')).toBe(0)
  const file = `${node.home.home}/.openclaw/openclaw.json`
  expect(readFileSync(at(file))).toEqual(readFileSync(file))
})

test('a restore in place does not write what is to stay as it is', async () => {
  const node = makeNode()
  const { at, staged } = stage(node, node.layout, { kind: 'restore' })
  await rewriteStaged(staged)
  const looks = () =>
    filesUnder(at('')).map((file) => {
      const { ino, ctimeNs } = lstatSync(file, { bigint: true })
      return [file, ino, ctimeNs]
    })
  const before = looks()
  expect(await rewriteStaged(staged)).toEqual({ changed: {} })
  expect(looks()).toEqual(before)
})

async function cloned(choices: object = {}) {
  const node = makeNode()
  const to = there()
  const { staged, at } = stage(node, to, { kind: 'clone', ...choices })
  const { changed } = await rewriteStaged(staged)
  return { at, to, changed }
}

describe('a clone', () => {
  test('has nothing left of whom the original is and in whose name it speaks', async () => {
    const { at } = await cloned()
    const secrets = [
      'gateway-token-of-a',
      'bot-token-of-a',
      'env-token-of-a',
      'refresh-of-a',
      'refresh-of-work',
      'vapid-of-a',
      'device-of-a',
      'PRIVATE KEY of a',
    ]
    const files = filesUnder(at('')).filter((file) => !lstatSync(file).isSymbolicLink())
    for (const file of files) {
      const bytes = readFileSync(file)
      for (const secret of secrets)
        expect(bytes.includes(secret), `${secret} in ${file}`).toBe(false)
    }
    expect(files.length).toBeGreaterThan(8)
  })

  test('leaves API keys behind unless it is told otherwise, and no name of one', async () => {
    const { at, to } = await cloned()
    expect(configOf(at, to).auth).toEqual({ profiles: {}, order: {} })
    const store =
      "SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'"
    const left = JSON.parse(String(value(stateOf(at, to), store)))
    expect(left).toEqual({ version: 1, profiles: {}, order: {} })
  })

  test('keeps keys that two may have when it is chosen, and the rest of its settings', async () => {
    const { at, to } = await cloned({ apiKeys: 'keep' })
    const config = configOf(at, to)
    expect(config.channels).toEqual({
      telegram: { enabled: false, groups: { '-1001': { requireMention: true } } },
      defaults: { groupPolicy: 'open' },
    })
    expect(config.auth).toEqual({
      profiles: { 'openai:key': { provider: 'openai', mode: 'api_key' } },
      order: { openai: ['openai:key'] },
    })
    expect(config.gateway.auth.token).toMatch(/^[A-Za-z0-9_-]{32}$/)
    const database = stateOf(at, to)
    const store =
      "SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'"
    expect(JSON.parse(String(value(database, store)))).toEqual({
      version: 1,
      profiles: { 'openai:key': { type: 'api_key', key: 'sk-3' } },
      order: { openai: ['openai:key'] },
    })
    expect(readFileSync(at('/srv/bob/.openclaw/.env'), 'utf8')).toBe(
      '# env\nWORK="/data/work" # there\n# TELEGRAM_BOT_TOKEN=\nKEY=sk-1\n',
    )
    expect(values(database, 'SELECT plugin_id FROM plugin_state_entries')).toEqual(['third'])
    expect(value(database, 'SELECT count(*) FROM exec_approvals_config')).toBe(0)
  })

  test('lets the jobs of its user sleep unless it is told otherwise', async () => {
    const asleep = await cloned()
    const enabled =
      "SELECT job_id FROM cron_jobs WHERE enabled = 1 AND json_extract(job_json, '$.enabled')"
    expect(values(stateOf(asleep.at, asleep.to), enabled)).toEqual(['system'])
    expect(asleep.changed['cron jobs disabled']).toBe(2)
    const awake = await cloned({ cron: 'keep' })
    expect(values(stateOf(awake.at, awake.to), enabled)).toHaveLength(3)
  })

  test('has no login out of a file that lies elsewhere and comes before what includes it', async () => {
    const { home } = makeNode()
    const file = home.write('a/channels.json5', `{ telegram: { botToken: '789:token-elsewhere' } }`)
    home.write('.openclaw/openclaw.json', `{ channels: { $include: '${file}' } }`)
    const name = 'extra:config-channels.json5'
    const node = { home, layout: layoutOf(home.home, { [name]: file }) }
    const to = there({ ...BOB, roots: { ...BOB.roots, [name]: '/etc/channels.json5' } })
    const { staged, at } = stage(node, to, { kind: 'clone' })
    const [first, rest] = [true, false].map((elsewhere) =>
      staged.files.filter(({ absolute }) => absolute.startsWith('/etc') === elsewhere),
    )
    await rewriteStaged({ ...staged, files: [...(first ?? []), ...(rest ?? [])] })
    const text = readFileSync(at('/etc/channels.json5'), 'utf8')
    expect(JSON5.parse(text)).toEqual({ telegram: { enabled: false } })
  })

  test('keeps its gateway token when that is chosen', async () => {
    const { at, to } = await cloned({ gatewayToken: 'keep' })
    expect(configOf(at, to).gateway.auth.token).toBe('gateway-token-of-a')
  })
})

test('a stage that has no state database is no error', async () => {
  const node = makeNode()
  const { staged, at } = stage(node, there())
  const files = staged.files.filter(({ kind }) => kind !== 'database')
  await rewriteStaged({ ...staged, files })
  expect(existsSync(at('/srv/bob/.openclaw/openclaw.json'))).toBe(true)
})
