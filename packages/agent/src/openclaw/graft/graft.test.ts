/** Parts of one home are put into another that has its own: real files and real databases, without a gateway. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type Graft,
  type Inventory,
  type Layout,
  defaultChoices,
  rulesBetween,
} from '@ocm/protocol'
import { expect, onTestFinished, test } from 'vitest'
import type { GraftRequest, Staged } from '../../installation.port.ts'
import { readConfig } from '../config.ts'
import { discover } from '../discovery.ts'
import { inventoryOf } from '../inventory.ts'
import { locate } from '../layout.ts'
import { liveDatabases } from '../live-walk.ts'
import { rewriteStaged } from '../rewriting.ts'
import { liveSight } from '../sight.ts'
import { graftInto, renamePersonas } from './graft.ts'

const STATE = `
  PRAGMA user_version = 18;
  CREATE TABLE schema_meta (meta_key TEXT PRIMARY KEY, agent_id TEXT);
  CREATE TABLE agent_databases (agent_id TEXT, path TEXT, PRIMARY KEY (agent_id, path));
  CREATE TABLE agent_provenance (agent_id TEXT PRIMARY KEY, created_via TEXT, creator_agent_id TEXT);
  CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT NOT NULL);
  CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, declaration_key TEXT, owner_agent_id TEXT, agent_id TEXT, name TEXT, description TEXT, enabled INTEGER, job_json TEXT, state_json TEXT NOT NULL DEFAULT '{}', runtime_updated_at_ms INTEGER, sort_order INTEGER, PRIMARY KEY (store_key, job_id));
  CREATE TABLE cron_job_scratch (store_key TEXT, job_id TEXT, content TEXT, PRIMARY KEY (store_key, job_id));
  CREATE TABLE workspace_setup_state (workspace_key TEXT PRIMARY KEY, workspace_path TEXT);
  CREATE TABLE workspace_generated_bootstrap_hashes (workspace_key TEXT REFERENCES workspace_setup_state(workspace_key), filename TEXT, PRIMARY KEY (workspace_key, filename));
  CREATE TABLE workspace_path_aliases (alias_key TEXT PRIMARY KEY, alias_path TEXT, workspace_key TEXT, workspace_path TEXT);
  CREATE TABLE exec_approvals_config (config_key TEXT PRIMARY KEY, raw_json TEXT, socket_path TEXT, agent_count INTEGER, allowlist_count INTEGER);
  CREATE TABLE secret_store_entries (scope_kind TEXT, scope_id TEXT, name TEXT, value TEXT, deleted_at_ms INTEGER, PRIMARY KEY (scope_kind, scope_id, name));`
const AGENT = `
  PRAGMA user_version = 23;
  CREATE TABLE schema_meta (meta_key TEXT PRIMARY KEY, agent_id TEXT);
  CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT);
  CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT, entry_json TEXT);
  CREATE TABLE session_windows (session_id TEXT PRIMARY KEY, session_key TEXT REFERENCES session_nodes(session_key));`

const sql = (value: unknown) =>
  `'${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll("'", "''")}'`

function database(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const made = new DatabaseSync(file)
  made.exec(`PRAGMA journal_mode = WAL; ${text}`)
  made.close()
}

const job = (home: string, id: string, persona: string | undefined, enabled = 1) => {
  const it = {
    id,
    name: `${id} job`,
    enabled: enabled === 1,
    ...(persona ? { agentId: persona } : {}),
    payload: { kind: 'command', argv: ['sh', '-c', `ls ${home}/work-ws`], cwd: `${home}/work-ws` },
    sessionKey: `agent:${persona}:main`,
  }
  return `INSERT INTO cron_jobs VALUES (${sql(`${home}/.openclaw/cron/jobs.json`)}, ${sql(id)}, NULL, NULL, ${persona ? sql(persona) : 'NULL'}, ${sql(`${id} job`)}, NULL, ${enabled}, ${sql(it)}, '{"nextRunAtMs":1}', 5, 0);`
}

interface Home {
  readonly home: string
  readonly state: string
}

function makeHome(
  name: string,
  config: (home: string) => string,
  content: (home: string) => string,
): Home {
  const home = realpathSync(mkdtempSync(path.join(tmpdir(), `ocm-graft-${name}-`)))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const state = path.join(home, '.openclaw')
  mkdirSync(state)
  writeFileSync(path.join(state, 'openclaw.json'), config(home))
  database(path.join(state, 'state/openclaw.sqlite'), STATE + content(home))
  return { home, state }
}

const SOURCE = (home: string) => `{
  agents: {
    defaults: { workspace: '${home}/.openclaw/workspace', systemAgent: { agentId: 'main' } },
    ownership: 'explicit',
    entries: {
      main: { name: 'main' },
      work: { name: 'work', default: true, workspace: '${home}/work-ws', agentDir: '${home}/.openclaw/agents/work/agent', subagents: { allowAgents: ['work', 'main'] } },
    },
  },
  bindings: [{ agentId: 'work', match: { channel: 'telegram' } }, { agentId: 'main', match: { channel: 'irc' } }],
  mcp: { servers: { demo: { command: 'node', cwd: '${home}/mcp' } } },
}`
const TARGET = (home: string) => `// mine
{
  agents: { entries: { work: { name: 'my own', workspace: '${home}/mine' } } }, // stays
  mcp: { $include: './mcp.json5' },
  gateway: { port: 5000 },
}`

function twoHomes() {
  const a = makeHome('a', SOURCE, (home) =>
    [
      job(home, 'report', 'work'),
      job(home, 'nobodys', undefined),
      `INSERT INTO cron_job_scratch VALUES (${sql(`${home}/.openclaw/cron/jobs.json`)}, 'report', 'notes');`,
      `INSERT INTO agent_databases VALUES ('work', 'agents/work/agent/openclaw-agent.sqlite');`,
      `INSERT INTO agent_provenance VALUES ('work', 'operator', NULL);`,
      `INSERT INTO config_machine_state VALUES ('authProfiles.store', ${sql({ version: 1, profiles: { 'acme:key': { type: 'api_key', key: 'theirs' }, 'new:key': { type: 'api_key', key: 'n' }, 'acme:me': { type: 'oauth' } } })});`,
      `INSERT INTO secret_store_entries VALUES ('team', '', 'SHARED', 'theirs', NULL), ('team', '', 'FRESH', 'f', NULL), ('team', '', 'GONE', 'g', 1);`,
    ].join('\n'),
  )
  database(
    path.join(a.state, 'agents/work/agent/openclaw-agent.sqlite'),
    `${AGENT}
    INSERT INTO schema_meta VALUES ('primary', 'work');
    INSERT INTO auth_profile_store VALUES ('primary', ${sql({ profiles: { 'acme:work': { type: 'api_key', key: 'w' } } })});
    INSERT INTO session_nodes VALUES ('agent:work:main', 's1', ${sql({ sessionKey: 'agent:work:main', said: 'ask agent:work: about it' })});
    INSERT INTO session_windows VALUES ('s1', 'agent:work:main');`,
  )
  mkdirSync(path.join(a.home, 'work-ws'))
  writeFileSync(path.join(a.home, 'work-ws/MEMORY.md'), 'remember')
  writeFileSync(
    path.join(a.state, '.env'),
    `SHARED=theirs\nNEW="a b" # why\nTELEGRAM_BOT_TOKEN=1:x\n`,
  )
  const b = makeHome('b', TARGET, (home) =>
    [
      job(home, 'report', 'work'),
      job(home, 'mine', 'work'),
      `INSERT INTO agent_databases VALUES ('work', 'agents/work/agent/openclaw-agent.sqlite');`,
      `INSERT INTO config_machine_state VALUES ('authProfiles.store', ${sql({ version: 1, profiles: { 'acme:key': { type: 'api_key', key: 'own' } } })});`,
      `INSERT INTO secret_store_entries VALUES ('team', '', 'SHARED', 'own', NULL);`,
    ].join('\n'),
  )
  writeFileSync(
    path.join(b.state, 'mcp.json5'),
    `// servers\n{ servers: { own: { command: 'x' } } }`,
  )
  writeFileSync(path.join(b.state, '.env'), `# own\nSHARED=own\n`)
  return { a, b }
}

const layoutOf = ({ home, state }: Home, more: Record<string, string> = {}): Layout => ({
  platform: 'linux',
  hostname: path.basename(home),
  user: 'al',
  uid: 0,
  roots: { home, state, ...more },
  port: 5000,
  versions: { openclaw: '2026.9.6', schemas: { state: 18, agent: 23 }, node: '24', agent: '0' },
})

/** As the agent does it: what is carried and what is shared is written somewhere, rewritten, renamed, and merged. */
async function graft(
  a: Home,
  b: Home,
  chosen: Partial<Graft>,
  kind: 'clone' | 'restore' = 'clone',
) {
  const room = path.join(b.state, '.ocm-graft-test')
  const to = chosen.personas?.[0]?.to ?? 'work-2'
  const withPersona = (chosen.personas ?? []).length > 0
  const carried = withPersona
    ? [
        {
          root: 'workspace:work',
          path: '',
          was: path.join(a.home, 'work-ws'),
          to: path.join(b.home, 'grafted-ws'),
        },
        {
          root: 'state',
          path: 'agents/work',
          was: path.join(a.state, 'agents/work'),
          to: path.join(b.state, `agents/${to}`),
        },
      ]
    : []
  const from = layoutOf(a, { 'workspace:work': path.join(a.home, 'work-ws') })
  const target = layoutOf(
    b,
    withPersona ? { 'workspace:work': path.join(b.home, 'grafted-ws') } : {},
  )
  const files = ['openclaw.json', '.env', 'state/openclaw.sqlite'].map((name) => ({
    live: path.join(b.state, name),
    was: path.join(a.state, name),
  }))
  if (withPersona) {
    files.push({
      live: path.join(b.state, `agents/${to}/agent/openclaw-agent.sqlite`),
      was: path.join(a.state, 'agents/work/agent/openclaw-agent.sqlite'),
    })
  }
  const at = (absolute: string) => path.join(room, 'parts', absolute)
  for (const { live, was } of files) {
    mkdirSync(path.dirname(at(live)), { recursive: true })
    writeFileSync(at(live), readFileSync(was))
  }
  const rules = [
    ...rulesBetween(from, target),
    ...carried.flatMap(({ root, path: inside, was, to: becomes }) =>
      inside === '' ? [] : [{ root, was, becomes }],
    ),
  ].toSorted((x, y) => y.was.length - x.was.length)
  const staged: Staged = {
    from,
    to: target,
    at,
    files: files.map(({ live }) => ({
      absolute: live,
      kind: live.endsWith('.sqlite') ? 'database' : 'file',
      section: 'gateway',
    })),
    rules,
    choices: { ...defaultChoices(kind), gatewayToken: 'keep', only: {} },
    port: 5000,
  }
  const request: GraftRequest = {
    staged,
    graft: { personas: [], cron: [], config: [], sections: [], shared: [], ...chosen, carried },
    theirs: ownOf(a),
    into: path.join(room, 'fresh'),
  }
  await rewriteStaged(staged)
  renamePersonas(request)
  const located = locatedAt(b)
  const made = await graftInto(request, located, ownOf(b))
  const freshOf = (name: string) =>
    made.files.find(({ absolute }) => absolute === path.join(b.state, name))?.fresh
  return { ...made, freshOf, at }
}

const whereOf = ({ home }: Home) => discover({ home, env: {}, agentStateDir: '/nowhere' })
const locatedAt = (of: Home) => locate(whereOf(of), undefined, '')
function ownOf(of: Home): Inventory {
  const located = locatedAt(of)
  return inventoryOf(liveSight(located.layout, liveDatabases(located), located.config))
}
function rows(file: string | undefined, query: string) {
  const opened = new DatabaseSync(file as string, { readOnly: true })
  try {
    return opened
      .prepare(query)
      .all()
      .map((row) => ({ ...row }))
  } finally {
    opened.close()
  }
}
/** The configuration as it is going to be read. */
function configAfter(b: Home, made: { files: readonly { absolute: string; fresh: string }[] }) {
  const fresh = new Map(made.files.map((file) => [file.absolute, file.fresh]))
  return readConfig(whereOf(b), (absolute) => readFileSync(fresh.get(absolute) ?? absolute))
    .tree as Record<string, any>
}

const WORK = {
  personas: [{ from: 'work', to: 'work-2' }],
  cron: [{ from: 'report', to: 'report-2' }],
}

test('a persona joins those of the target under another name, and what names it names it by that', async () => {
  const { a, b } = twoHomes()
  const made = await graft(a, b, WORK)
  const config = configAfter(b, made)
  expect(config['agents'].entries).toEqual({
    work: { name: 'my own', workspace: `${b.home}/mine` },
    'work-2': {
      name: 'work',
      workspace: `${b.home}/grafted-ws`,
      agentDir: `${b.state}/agents/work-2/agent`,
      subagents: { allowAgents: ['work-2', 'main'] },
    },
  })
  expect(config['bindings']).toEqual([{ agentId: 'work-2', match: { channel: 'telegram' } }])
  // It was the only one, and what it had because of that it keeps.
  expect(config['agents'].ownership).toBe('explicit')
  expect(config['agents'].defaults.systemAgent.agentId).toBe('work')
  expect(readFileSync(made.freshOf('openclaw.json') as string, 'utf8')).toMatch(
    /\/\/ mine[^]*\/\/ stays/,
  )
  const agent = made.at(`${b.state}/agents/work-2/agent/openclaw-agent.sqlite`)
  expect(rows(agent, 'SELECT agent_id FROM schema_meta')).toEqual([{ agent_id: 'work-2' }])
  expect(rows(agent, 'SELECT session_key, entry_json FROM session_nodes')).toEqual([
    {
      session_key: 'agent:work-2:main',
      entry_json: JSON.stringify({
        sessionKey: 'agent:work-2:main',
        said: 'ask agent:work: about it',
      }),
    },
  ])
  expect(rows(agent, 'SELECT session_key FROM session_windows')).toEqual([
    { session_key: 'agent:work-2:main' },
  ])
  expect(
    rows(made.freshOf('state/openclaw.sqlite'), 'SELECT * FROM agent_databases ORDER BY path'),
  ).toEqual([
    { agent_id: 'work-2', path: 'agents/work-2/agent/openclaw-agent.sqlite' },
    { agent_id: 'work', path: 'agents/work/agent/openclaw-agent.sqlite' },
  ])
})

test('a cron job comes after those of the target, filed and placed as the target has it, disabled', async () => {
  const { a, b } = twoHomes()
  const made = await graft(a, b, WORK)
  const file = made.freshOf('state/openclaw.sqlite')
  const jobs = rows(file, 'SELECT * FROM cron_jobs ORDER BY sort_order, job_id')
  expect(jobs.map((one) => [one['job_id'], one['enabled'], one['agent_id']])).toEqual([
    ['mine', 1, 'work'],
    ['report', 1, 'work'],
    ['report-2', 0, 'work-2'],
  ])
  const [store] = new Set(jobs.map((one) => one['store_key']))
  expect(store).toBe(`${b.state}/cron/jobs.json`)
  const it = JSON.parse(String(jobs[2]?.['job_json']))
  expect(it).toMatchObject({ id: 'report-2', agentId: 'work-2', sessionKey: 'agent:work-2:main' })
  expect(it.payload).toMatchObject({
    cwd: `${b.home}/grafted-ws`,
    argv: ['sh', '-c', `ls ${b.home}/grafted-ws`],
  })
  expect(jobs[2]?.['state_json']).toBe('{}')
  expect(rows(file, 'SELECT job_id, content FROM cron_job_scratch')).toEqual([
    { job_id: 'report-2', content: 'notes' },
  ])
  expect(made.inventory.personas).toEqual(['work', 'work-2'])
  expect(made.inventory.cron.map(({ id }) => id)).toEqual(['mine', 'report', 'report-2'])
  expect(made.inventory.sessions).toEqual({ 'work-2': ['s1'] })
})

test('nothing live is changed', async () => {
  const { a, b } = twoHomes()
  const before = ['openclaw.json', 'mcp.json5', '.env', 'state/openclaw.sqlite'].map((name) =>
    readFileSync(path.join(b.state, name)),
  )
  await graft(a, b, {
    ...WORK,
    sections: ['credentials', 'environment'],
    config: ['/mcp/servers/demo'],
  })
  const after = ['openclaw.json', 'mcp.json5', '.env', 'state/openclaw.sqlite'].map((name) =>
    readFileSync(path.join(b.state, name)),
  )
  expect(after.every((bytes, i) => bytes.equals(before[i] as Buffer))).toBe(true)
})

test('a part of the configuration is written into the file that it belongs to', async () => {
  const { a, b } = twoHomes()
  const made = await graft(a, b, { config: ['/mcp/servers/demo'] })
  expect(made.freshOf('openclaw.json')).toBeUndefined()
  expect(readFileSync(made.freshOf('mcp.json5') as string, 'utf8')).toContain('// servers')
  expect(configAfter(b, made)['mcp'].servers).toEqual({
    own: { command: 'x' },
    demo: { command: 'node', cwd: `${b.home}/mcp` },
  })
})

test('shared credentials and variables are added on a clone, and never those by which a node speaks', async () => {
  const { a, b } = twoHomes()
  const made = await graft(a, b, { sections: ['credentials', 'environment'] })
  const file = made.freshOf('state/openclaw.sqlite')
  const [row] = rows(
    file,
    "SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'",
  )
  expect(JSON.parse(String(row?.['value_json'])).profiles).toEqual({
    'acme:key': { type: 'api_key', key: 'own' },
    'new:key': { type: 'api_key', key: 'n' },
  })
  expect(rows(file, 'SELECT name, value FROM secret_store_entries ORDER BY name')).toEqual([
    { name: 'FRESH', value: 'f' },
    { name: 'SHARED', value: 'own' },
  ])
  expect(readFileSync(made.freshOf('.env') as string, 'utf8')).toBe(
    `# own\nSHARED=own\nNEW="a b" # why\n`,
  )
})

test('a job that was nobody’s in particular goes on being done by who did it', async () => {
  const { a, b } = twoHomes()
  const made = await graft(a, b, {
    personas: [{ from: 'main', to: 'helper' }],
    cron: [{ from: 'nobodys', to: 'nobodys' }],
  })
  const [row] = rows(
    made.freshOf('state/openclaw.sqlite'),
    "SELECT agent_id, job_json FROM cron_jobs WHERE job_id = 'nobodys'",
  )
  expect(row?.['agent_id']).toBe('helper')
  expect(JSON.parse(String(row?.['job_json'])).agentId).toBe('helper')
})

test('a restore sets parts back: rows, variables and credentials as they were', async () => {
  const { a, b } = twoHomes()
  const made = await graft(
    a,
    b,
    { cron: [{ from: 'report', to: 'report' }], sections: ['credentials', 'environment'] },
    'restore',
  )
  const file = made.freshOf('state/openclaw.sqlite')
  expect(rows(file, 'SELECT job_id FROM cron_jobs ORDER BY job_id')).toEqual([
    { job_id: 'mine' },
    { job_id: 'report' },
  ])
  expect(rows(file, "SELECT state_json FROM cron_jobs WHERE job_id = 'report'")).toEqual([
    { state_json: '{"nextRunAtMs":1}' },
  ])
  expect(rows(file, "SELECT value FROM secret_store_entries WHERE name = 'SHARED'")).toEqual([
    { value: 'theirs' },
  ])
  expect(readFileSync(made.freshOf('.env') as string, 'utf8')).toContain('SHARED=theirs')
})

test('a configuration that cannot be read as a whole gives no parts', async () => {
  const { a, b } = twoHomes()
  writeFileSync(path.join(a.state, 'openclaw.json'), '{ agents: { $include: "./lost.json" } }')
  await expect(graft(a, b, { cron: [{ from: 'report', to: 'report-2' }] })).rejects.toMatchObject({
    code: 'graft-config-unreadable',
  })
})

function approve(home: Home, agents: object): void {
  const file = new DatabaseSync(path.join(home.state, 'state/openclaw.sqlite'))
  file
    .prepare('INSERT INTO exec_approvals_config VALUES (?, ?, ?, 0, 0)')
    .run('current', JSON.stringify({ version: 1, socket: { token: home.home }, agents }), '/s')
  file.close()
}

test('a persona that comes new may not do what was approved for a removed one of its name', async () => {
  const { a, b } = twoHomes()
  const other = { allowlist: [{ pattern: 'o' }] }
  approve(a, { work: { allowlist: [{ pattern: 'x' }] } })
  approve(b, { helper: { allowlist: [{ pattern: 'old' }] }, Helper: { allowlist: [] }, other })
  const made = await graft(a, b, { personas: [{ from: 'work', to: 'helper' }] })
  const [row] = rows(
    made.freshOf('state/openclaw.sqlite'),
    'SELECT raw_json, agent_count, allowlist_count FROM exec_approvals_config',
  )
  expect(JSON.parse(String(row?.['raw_json'])).agents).toEqual({ other })
  expect([row?.['agent_count'], row?.['allowlist_count']]).toEqual([1, 1])
})

test('a restored persona is as it was, with its bindings and what it may run, and nobody else is touched', async () => {
  const { a, b } = twoHomes()
  approve(a, { work: { allowlist: [{ pattern: 'x' }] }, main: { allowlist: [] } })
  approve(b, { work: { allowlist: [] }, other: { allowlist: [{ pattern: 'o' }] } })
  const config = path.join(b.state, 'openclaw.json')
  const bindings = `[{ agentId: 'work', match: { channel: 'slack' } }, { agentId: 'other', match: { channel: 'irc' } }]`
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace('gateway:', `bindings: ${bindings},\n  gateway:`),
  )
  const made = await graft(
    a,
    b,
    { personas: [{ from: 'work', to: 'work' }], cron: [{ from: 'report', to: 'report' }] },
    'restore',
  )
  const after = configAfter(b, made)
  expect(after['agents'].entries.work).toMatchObject({
    name: 'work',
    workspace: `${b.home}/grafted-ws`,
    subagents: { allowAgents: ['work', 'main'] },
  })
  expect(after['bindings']).toEqual([
    { agentId: 'other', match: { channel: 'irc' } },
    { agentId: 'work', match: { channel: 'telegram' } },
  ])
  const file = made.freshOf('state/openclaw.sqlite')
  const [row] = rows(
    file,
    'SELECT raw_json, agent_count, allowlist_count FROM exec_approvals_config',
  )
  expect(JSON.parse(String(row?.['raw_json']))).toEqual({
    version: 1,
    socket: { token: b.home },
    agents: { work: { allowlist: [{ pattern: 'x' }] }, other: { allowlist: [{ pattern: 'o' }] } },
  })
  expect([row?.['agent_count'], row?.['allowlist_count']]).toEqual([2, 2])
  expect(made.inventory.personas).toEqual(['work'])
})
