/** What the plan says of each thing that only one node may have, and what the rewriting does to it, line by line. */
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import JSON5 from 'json5'
import { expect, test } from 'vitest'
import {
  type Choices,
  type Manifest,
  type Plan,
  type TargetFacts,
  defaultChoices,
  planApply,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { examine } from './examine.ts'
import { rewriteStaged } from './rewriting.ts'
import { captured, layoutOf, makeNode, stage, whereOf } from './staged.fixture.ts'

const MORE = `
  CREATE TABLE device_pairing_paired (device_id TEXT PRIMARY KEY, tokens_json TEXT);
  CREATE TABLE device_auth_tokens (device_id TEXT PRIMARY KEY, token TEXT);
  CREATE TABLE channel_pairing_allow_entries (channel_key TEXT PRIMARY KEY, entry TEXT);
  CREATE TABLE channel_ingress_events (event_id TEXT PRIMARY KEY, payload_json TEXT);
  CREATE TABLE mcp_oauth_stores (store_key TEXT PRIMARY KEY, store_json TEXT);
  CREATE TABLE subagent_runs (run_id TEXT PRIMARY KEY, payload_json TEXT);
  CREATE TABLE flow_runs (flow_id TEXT PRIMARY KEY, status TEXT);
  ALTER TABLE task_runs ADD COLUMN status TEXT DEFAULT 'succeeded';
  INSERT INTO device_pairing_paired VALUES ('phone', '{}');
  INSERT INTO device_auth_tokens VALUES ('device-of-a', 'tok');
  INSERT INTO channel_pairing_allow_entries VALUES ('telegram', '42');
  INSERT INTO channel_ingress_events VALUES ('in', '{}');
  INSERT INTO mcp_oauth_stores VALUES ('mcp', '{}');
  INSERT INTO subagent_runs VALUES ('open', '{"execution":{}}'), ('over', '{"execution":{"endedAt":1}}');
  INSERT INTO flow_runs VALUES ('f', 'waiting'), ('g', 'done');
  INSERT INTO task_runs VALUES ('t2', 'dig', NULL, 'running');
  INSERT INTO secret_store_entries VALUES ('DISCORD_BOT_TOKEN', 'bot-token-in-store');
  ALTER TABLE secret_store_entries ADD COLUMN deleted_at_ms INTEGER;`

const AGENT = '.openclaw/agents/work/agent/openclaw-agent.sqlite'

/** Keys of providers in every place that OpenClaw reads them from. */
const KEYED = {
  models: `{ providers: {
    mock: { baseUrl: 'http://localhost:9999/v1', apiKey: 'sk-config' },
    other: { baseUrl: 'https://b.example/v1', apiKey: { source: 'file', provider: 'vault', id: '/other/apiKey' }, headers: { 'X-Api-Key': 'sk-header', 'X-Title': 'mine' } },
    local: { baseUrl: 'http://localhost:1/v1', request: { auth: { mode: 'authorization-bearer', token: 'sk-bearer' } } },
    asked: { apiKey: { source: 'exec', provider: 'manager', id: 'asked' } },
  } }`,
  more: `secrets: { providers: { vault: { source: 'file', path: '~/.openclaw/secrets.json' } } },
  env: { MISTRAL_API_KEY: 'sk-env', EDITOR: 'vi' },
  tools: { web: { search: { apiKey: '\${SEARCH_KEY}', maxTokens: 7 } } },
  auth: {`,
}

const made = () => {
  const node = makeNode(MORE)
  node.home.write('.openclaw/models.json5', KEYED.models)
  const config = node.home.at('.openclaw/openclaw.json')
  const text = readFileSync(config, 'utf8')
    .replace('auth: { profiles', `${KEYED.more} profiles`)
    .replace('env: { HOMES:', "env: { DEMO_TOKEN: 'sk-server', HOMES:")
    .replace("args: ['--root", "args: ['--api-key=sk-argument', '--root")
  node.home.write('.openclaw/openclaw.json', text)
  const database = new DatabaseSync(node.home.at(AGENT))
  database.exec(`
    ALTER TABLE session_nodes ADD COLUMN current_session_id TEXT;
    ALTER TABLE session_nodes ADD COLUMN status TEXT;
    INSERT INTO session_nodes VALUES ('agent:work:busy',
      '{"sessionId":"s2","status":"running","abortedLastRun":true,"restartRecoveryRuns":[{"runId":"r"}]}',
      's2', 'running')`)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return node
}

type Fate = Plan['items'][number]['fate']

/** Of a plan what becomes of each holding, and of the tree that is rewritten under it what is there. */
async function applied(kind: Choices['kind'], more: Partial<Choices> = {}) {
  const node = made()
  const found = await examine(captured(node), whereOf(node))
  const home = kind === 'restore' ? node.home.home : '/srv/bob'
  const to = kind === 'restore' ? node.layout : { ...layoutOf(home), hostname: 'b' }
  const choices = { ...defaultChoices(kind), ...more }
  const manifest: Manifest = {
    v: 1,
    layout: node.layout,
    inventory: null,
    config: {},
    holdings: [...found.holdings],
    warnings: [],
    startedAt: 0,
    entries: [],
    omissions: [],
    mentions: found.mentions,
  }
  const facts: TargetFacts = {
    layout: to,
    occupied: false,
    freeBytes: { home: 1e12, state: 1e12 },
    gateway: { kind: 'none', running: false },
    portsInUse: [],
    fenced: false,
    readOnlyConfig: false,
  }
  const target = kind === 'restore' ? 'a' : 'b'
  const plan = planApply(nodePrimitives, manifest, facts, choices, { source: 'a', target })
  const fates: Record<string, Fate> = Object.fromEntries(
    plan.items.map(({ what, fate }) => [what, fate]),
  )
  const { staged, at } = stage(node, to, choices)
  await rewriteStaged(staged)
  const read = (file: string, sql: string) => {
    const database = new DatabaseSync(at(`${home}/${file}`), { readOnly: true })
    try {
      return database
        .prepare(sql)
        .all()
        .flatMap((row) => Object.values(row))
    } finally {
      database.close()
    }
  }
  const state = (sql: string) => read('.openclaw/state/openclaw.sqlite', sql)
  const text = (file: string) => readFileSync(at(`${home}/${file}`), 'utf8')
  const main = JSON5.parse(text('.openclaw/openclaw.json'))
  const config = { ...main, models: JSON5.parse(text('.openclaw/models.json5')) }
  return {
    fates,
    rows: (table: string) => Number(state(`SELECT count(*) FROM ${table}`)[0]),
    state,
    agent: (sql: string) => read(AGENT, sql),
    config,
    env: text('.openclaw/.env'),
    secrets: text('.openclaw/secrets.json'),
  }
}

type Applied = Awaited<ReturnType<typeof applied>>

const profiles = (of: Applied) =>
  JSON.stringify(
    of.state("SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'"),
  )
const enabled = (of: Applied) =>
  of.state('SELECT job_id FROM cron_jobs WHERE enabled = 1 AND declaration_key IS NULL').length
const running = (of: Applied) => [
  of.agent("SELECT count(*) FROM session_nodes WHERE status = 'running'")[0],
  of.rows("subagent_runs WHERE run_id = 'open'"),
  of.rows("task_runs WHERE status = 'running'"),
  of.rows("flow_runs WHERE status = 'waiting'"),
]

/** Each line of a plan: its name, its fate after a restore, a move and a clone, and how one sees whether it is so. */
const LINES: readonly (readonly [
  string,
  Fate,
  Fate,
  Fate,
  (of: Applied) => unknown,
  unknown,
  unknown,
])[] = [
  ['device identity', 'kept', 'kept', 'made-new', (of) => of.rows('device_identities'), 1, 0],
  ['device tokens', 'kept', 'kept', 'left-behind', (of) => of.rows('device_auth_tokens'), 1, 0],
  [
    'gateway token',
    'kept',
    'kept',
    'made-new',
    (of) => of.config.gateway.auth.token === 'gateway-token-of-a',
    true,
    false,
  ],
  ['paired devices', 'kept', 'kept', 'left-behind', (of) => of.rows('device_pairing_paired'), 1, 0],
  [
    'channel allowlist entries',
    'kept',
    'kept',
    'left-behind',
    (of) => of.rows('channel_pairing_allow_entries'),
    1,
    0,
  ],
  ['exec approvals', 'kept', 'kept', 'left-behind', (of) => of.rows('exec_approvals_config'), 1, 0],
  ['MCP logins', 'kept', 'kept', 'left-behind', (of) => of.rows('mcp_oauth_stores'), 1, 0],
  [
    'web push keys',
    'kept',
    'kept',
    'made-new',
    (of) => of.rows("config_machine_state WHERE state_key = 'webPush.vapidKeys'"),
    1,
    0,
  ],
  [
    'OAuth logins',
    'kept',
    'kept',
    'left-behind',
    (of) => profiles(of).includes('refresh-of-a'),
    true,
    false,
  ],
  [
    'API keys and tokens',
    'kept',
    'kept',
    'left-behind',
    (of) => profiles(of).includes('sk-3'),
    true,
    false,
  ],
  [
    'keys in the configuration',
    'kept',
    'kept',
    'left-behind',
    ({ config: { models, mcp, env, tools } }) => [
      models.providers.mock.apiKey,
      models.providers.other.apiKey?.id,
      models.providers.other.headers,
      models.providers.local.request.auth?.token,
      mcp.servers.demo.env.DEMO_TOKEN,
      env,
      tools.web.search,
    ],
    [
      'sk-config',
      '/other/apiKey',
      { 'X-Api-Key': 'sk-header', 'X-Title': 'mine' },
      'sk-bearer',
      'sk-server',
      { MISTRAL_API_KEY: 'sk-env', EDITOR: 'vi' },
      { apiKey: '${SEARCH_KEY}', maxTokens: 7 },
    ],
    [
      undefined,
      undefined,
      { 'X-Title': 'mine' },
      undefined,
      undefined,
      { EDITOR: 'vi' },
      { maxTokens: 7 },
    ],
  ],
  [
    'keys in variables',
    'kept',
    'kept',
    'left-behind',
    (of) => /^KEY=sk-1$/m.test(of.env),
    true,
    false,
  ],
  [
    'files of secrets',
    'kept',
    'kept',
    'left-behind',
    (of) => of.secrets.includes('sk-2'),
    true,
    false,
  ],
  ['stored secrets', 'kept', 'kept', 'left-behind', (of) => of.rows('secret_store_entries'), 3, 0],
  // By no name that says so: told, and left to whoever approves the clone.
  [
    'texts that may be secrets',
    'kept',
    'kept',
    'kept',
    (of) => [of.config.mcp.servers.demo.args[0], of.config.models.providers.asked.apiKey.source],
    ['--api-key=sk-argument', 'exec'],
    ['--api-key=sk-argument', 'exec'],
  ],
  [
    'bot tokens',
    'kept',
    'kept',
    'left-behind',
    (of) => [
      of.config.channels.telegram.botToken,
      of.env.includes('env-token-of-a'),
      of.rows("secret_store_entries WHERE name = 'DISCORD_BOT_TOKEN'"),
    ],
    ['123:bot-token-of-a', true, 1],
    [undefined, false, 0],
  ],
]

test.each(['restore', 'move', 'clone'] as const)(
  'after a %s all is as the plan says, line by line',
  async (kind) => {
    const of = await applied(kind)
    const nth = { restore: 0, move: 1, clone: 2 }[kind]
    const lines = LINES.map(([what, , , , look]) => [what, of.fates[what], look(of)])
    expect(lines).toEqual(
      LINES.map(([what, ...rest]) => [what, rest[nth], kind === 'clone' ? rest[5] : rest[4]]),
    )

    // Messages and turns go on only where nobody else sends, answers or takes them up.
    const going = kind === 'move' ? 'kept' : 'left-behind'
    for (const what of [
      'messages not yet sent',
      'messages not yet answered',
      'interrupted turns',
    ]) {
      expect([what, of.fates[what]]).toEqual([what, going])
    }
    const rows = kind === 'move' ? 1 : 0
    expect([of.rows('delivery_queue_entries'), of.rows('channel_ingress_events')]).toEqual([
      rows,
      rows,
    ])
    expect(running(of)).toEqual(kind === 'move' ? [1, 1, 1, 1] : [0, 0, 0, 0])
    const [entry] = of.agent(
      "SELECT entry_json FROM session_nodes WHERE session_key = 'agent:work:busy'",
    )
    const { sessionId, ...says } = JSON.parse(String(entry))
    expect(sessionId).toBe('s2')
    const over = { status: 'killed', abortedLastRun: false }
    const busy = { status: 'running', abortedLastRun: true, restartRecoveryRuns: [{ runId: 'r' }] }
    expect(says).toEqual(kind === 'move' ? busy : over)
    expect(of.rows("subagent_runs WHERE run_id = 'over'")).toBe(1)
    expect(of.rows("flow_runs WHERE status = 'done'")).toBe(1)

    // Cron jobs of the user go on, but those of a clone sleep.
    const cron = { restore: 'kept', move: 'rewritten', clone: 'disabled' }[kind]
    expect([of.fates['cron jobs'], enabled(of)]).toEqual([cron, kind === 'clone' ? 0 : 2])
  },
)

test('a clone has what was chosen for it: jobs that go on, a token, API keys', async () => {
  const of = await applied('clone', { cron: 'keep', gatewayToken: 'keep', apiKeys: 'keep' })
  expect([of.fates['API keys and tokens'], profiles(of).includes('sk-3')]).toEqual(['kept', true])
  expect(profiles(of)).not.toContain('refresh-of-a')
  const kept = [
    'keys in the configuration',
    'keys in variables',
    'files of secrets',
    'stored secrets',
  ]
  expect(kept.map((what) => of.fates[what])).toEqual(kept.map(() => 'kept'))
  expect(of.config.models.providers.mock.apiKey).toBe('sk-config')
  expect([of.env, of.secrets].join()).toMatch(/sk-1[\s\S]*sk-2/)
  expect([of.fates['cron jobs'], enabled(of)]).toEqual(['rewritten', 2])
  expect(of.fates['gateway token']).toBe('kept')
  expect(of.config.gateway.auth.token).toBe('gateway-token-of-a')
})
