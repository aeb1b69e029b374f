/** A small node with a path in every kind of place, and its tree staged for another layout. */
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  type Choices,
  type Layout,
  absoluteOf,
  defaultChoices,
  marksOf,
  placeOf,
  rulesBetween,
} from '@ocm/protocol'
import { onTestFinished } from 'vitest'
import type { Captured, Staged, Survey } from '../installation.port.ts'
import { type Where, discover } from './discovery.ts'
import { type Home, makeDatabase, makeHome } from './home.fixture.ts'
import { roleOf } from './rows.ts'
import { sourceOf } from './sources.ts'

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

const TABLES = `
  PRAGMA user_version = 18;
  CREATE TABLE cron_jobs (store_key TEXT NOT NULL, job_id TEXT NOT NULL, declaration_key TEXT, name TEXT NOT NULL, enabled INTEGER NOT NULL, job_json TEXT NOT NULL, state_json TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (store_key, job_id)) STRICT;
  CREATE TABLE cron_job_scratch (store_key TEXT NOT NULL, job_id TEXT NOT NULL, content TEXT, PRIMARY KEY (store_key, job_id)) STRICT;
  CREATE TABLE cron_run_receipts (receipt_id TEXT PRIMARY KEY, store_key TEXT NOT NULL, job_id TEXT NOT NULL) STRICT;
  CREATE TABLE config_machine_state (state_key TEXT NOT NULL PRIMARY KEY, value_json TEXT NOT NULL) STRICT;
  CREATE TABLE exec_approvals_config (config_key TEXT NOT NULL PRIMARY KEY, raw_json TEXT NOT NULL, socket_path TEXT) STRICT;
  CREATE TABLE workspace_setup_state (workspace_key TEXT NOT NULL PRIMARY KEY, workspace_path TEXT) STRICT;
  CREATE TABLE workspace_generated_bootstrap_hashes (workspace_key TEXT NOT NULL, filename TEXT NOT NULL, PRIMARY KEY (workspace_key, filename), FOREIGN KEY (workspace_key) REFERENCES workspace_setup_state(workspace_key) ON DELETE CASCADE) STRICT;
  CREATE TABLE workspace_path_aliases (alias_key TEXT NOT NULL PRIMARY KEY, alias_path TEXT NOT NULL, workspace_key TEXT NOT NULL, workspace_path TEXT NOT NULL) STRICT;
  CREATE TABLE task_runs (task_id TEXT NOT NULL PRIMARY KEY, task TEXT NOT NULL, detail_json TEXT) STRICT;
  CREATE TABLE device_identities (identity_key TEXT NOT NULL PRIMARY KEY, device_id TEXT NOT NULL, private_key_pem TEXT NOT NULL) STRICT;
  CREATE TABLE delivery_queue_entries (queue_name TEXT NOT NULL, id TEXT NOT NULL, entry_json TEXT NOT NULL, PRIMARY KEY (queue_name, id)) STRICT;
  CREATE TABLE state_leases (scope TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL) STRICT;
  CREATE TABLE diagnostic_events (event_key TEXT NOT NULL PRIMARY KEY, payload_json TEXT NOT NULL) STRICT;
  CREATE TABLE secret_store_entries (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE plugin_state_entries (plugin_id TEXT NOT NULL, entry_key TEXT NOT NULL, value_json TEXT NOT NULL, PRIMARY KEY (plugin_id, entry_key)) STRICT;
  CREATE TABLE from_the_future (folder TEXT NOT NULL PRIMARY KEY, words TEXT, tree TEXT, n INTEGER) WITHOUT ROWID;
  CREATE VIRTUAL TABLE notes_fts USING fts5(text);`

const AGENT_TABLES = `
  PRAGMA user_version = 23;
  CREATE TABLE auth_profile_store (store_key TEXT NOT NULL PRIMARY KEY, store_json TEXT NOT NULL) STRICT;
  CREATE TABLE session_nodes (session_key TEXT NOT NULL PRIMARY KEY, entry_json TEXT NOT NULL) STRICT;
  CREATE TABLE transcript_events (session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, PRIMARY KEY (session_id, seq)) STRICT;
  CREATE TABLE memory_index_sources (id INTEGER PRIMARY KEY, path TEXT NOT NULL) STRICT;`

export const PORT = 28_910

export interface Node {
  readonly home: Home
  readonly layout: Layout
}

const job = (id: string, payload: object) =>
  JSON.stringify({ id, enabled: true, chat: '@', payload }).replace('"@"', '12345678901234567890')
const quoted = (value: string | object) =>
  `'${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll("'", "''")}'`

/** @param more SQL for the state database */
export function makeNode(more = ''): Node {
  const home = makeHome()
  const H = home.home
  home.write(
    '.openclaw/openclaw.json',
    `// mine\n{
  agents: {
    defaults: { workspace: '${H}/.openclaw/workspace' },
    entries: { work: { workspace: "${H}/work" /* here */, agentDir: "${H}/.openclaw/agents/work/agent" } },
  },
  models: { $include: './models.json5' },
  gateway: { port: ${PORT}, auth: { mode: 'token', token: 'gateway-token-of-a' }, controlUi: { allowedOrigins: ['http://127.0.0.1:${PORT}', 'https://node-a.example'] } },
  mcp: { servers: { demo: { command: '/usr/bin/env', args: ['--root=${H}/work'], env: { HOMES: '${H}/work:${H}/x' } } } },
  plugins: { entries: { third: { config: { odd: '${H}/odd', prompt: 'Look into ${H}/work first.' } } } },
  channels: { telegram: { enabled: true, botToken: '123:bot-token-of-a', groups: { '-1001': { requireMention: true } } }, defaults: { groupPolicy: 'open' } },
  auth: { profiles: { 'openai:me': { provider: 'openai', mode: 'oauth' }, 'openai:key': { provider: 'openai', mode: 'api_key' } }, order: { openai: ['openai:me', 'openai:key'] } },
}\n`,
  )
  home.write(
    '.openclaw/models.json5',
    `// included\n{ providers: { mock: { baseUrl: 'http://localhost:9999/v1', localService: { cwd: '${H}/work' } } } }\n`,
  )
  home.write(
    '.openclaw/.env',
    `# env\nWORK="${H}/work" # there\nTELEGRAM_BOT_TOKEN=456:env-token-of-a\nKEY=sk-1\n`,
  )
  home.write('.openclaw/secrets.json', `{ "mock": { "file": "${H}/key.pem", "apiKey": "sk-2" } }\n`)
  home.write('.openclaw/skills/s/SKILL.md', `Run ${H}/work/tool.sh.\n`)
  home.write('.openclaw/skills/s/.openclaw/source-origin.json', `{\n  "spec":   "${H}/src/s"\n}\n`)
  home.write('.openclaw/workspace/MEMORY.md', `# Memory\n- notes in ${H}/.openclaw/workspace\n`)
  home.write('work/tool.sh', `#!/bin/sh\ncd ${H}/work\n`)
  home.write('work/blob.bin', new Uint8Array([0, 1, 2, ...Buffer.from(`${H}/work`)]))
  symlinkSync(`${H}/work/tool.sh`, home.at('work/absolute.sh'))
  symlinkSync('tool.sh', home.at('work/relative.sh'))
  symlinkSync('../.openclaw/skills', home.at('work/skills'))
  symlinkSync('/usr/bin/env', home.at('work/env'))

  const store = `${H}/.openclaw/cron/jobs.json`
  makeDatabase(
    home.at('.openclaw/state/openclaw.sqlite'),
    `${TABLES}
    INSERT INTO cron_jobs VALUES (${quoted(store)}, 'report', NULL, 'report', 1, ${quoted(job('report', { kind: 'agentTurn', message: `Write to ${H}/work/report.md` }))}, '{}');
    INSERT INTO cron_jobs VALUES (${quoted(store)}, 'command', NULL, 'command', 1, ${quoted(job('command', { kind: 'command', argv: ['sh', '-lc', `ls ${H}/work`], cwd: `${H}/work`, env: { ROOT: `${H}/work` } }))}, '{}');
    INSERT INTO cron_jobs VALUES (${quoted(store)}, 'system', 'heartbeat:main', 'system', 1, ${quoted(job('system', { kind: 'heartbeat' }))}, '{}');
    INSERT INTO cron_job_scratch VALUES (${quoted(store)}, 'report', ${quoted(`last in ${H}/work`)});
    INSERT INTO cron_run_receipts VALUES ('r1', ${quoted(store)}, 'command');
    INSERT INTO config_machine_state VALUES ('plugins.installedIndex', ${quoted({ installRecords: { p: { installPath: `${H}/.openclaw/extensions/p` } }, plugins: [{ source: '/opt/openclaw/dist/x.js' }] })});
    INSERT INTO config_machine_state VALUES (${quoted(`cron.quarantine:${store}`)}, '[]');
    INSERT INTO config_machine_state VALUES ('cron.store', ${quoted(JSON.stringify(store))});
    INSERT INTO config_machine_state VALUES ('authProfiles.store', ${quoted({ version: 1, profiles: { 'openai:me': { type: 'oauth', refresh: 'refresh-of-a' }, 'openai:key': { type: 'api_key', key: 'sk-3' } }, order: { openai: ['openai:me', 'openai:key'] } })});
    INSERT INTO config_machine_state VALUES ('webPush.vapidKeys', '{"privateKey":"vapid-of-a"}');
    INSERT INTO exec_approvals_config VALUES ('current', ${quoted(`{\n  "socket": {\n    "path": "${H}/.openclaw/exec-approvals.sock"\n  },\n  "agents": {\n    "work": [\n      "${H}/work/*.sh"\n    ]\n  }\n}\n`)}, ${quoted(`${H}/.openclaw/exec-approvals.sock`)});
    INSERT INTO workspace_setup_state VALUES (${quoted(sha(`${H}/work`))}, ${quoted(`${H}/work`)}), (${quoted(sha(`${H}/.openclaw/workspace`))}, ${quoted(`${H}/.openclaw/workspace`)}), ('orphan', NULL);
    INSERT INTO workspace_generated_bootstrap_hashes VALUES (${quoted(sha(`${H}/work`))}, 'AGENTS.md'), (${quoted(sha(`${H}/.openclaw/workspace`))}, 'AGENTS.md');
    INSERT INTO workspace_path_aliases VALUES (${quoted(sha(`${H}/work`))}, ${quoted(`${H}/work`)}, ${quoted(sha(`${H}/work`))}, ${quoted(`${H}/work`)});
    INSERT INTO task_runs VALUES ('t1', ${quoted(`Look at ${H}/work/a.txt`)}, ${quoted({ kind: 'cron-run', storeKey: store, summary: `saw ${H}/work and more` })});
    INSERT INTO device_identities VALUES ('primary', 'device-of-a', 'PRIVATE KEY of a');
    INSERT INTO delivery_queue_entries VALUES ('q', '1', '{}');
    INSERT INTO state_leases VALUES ('gateway', 'pid 1');
    INSERT INTO diagnostic_events VALUES ('e', ${quoted({ cwd: H })});
    INSERT INTO secret_store_entries VALUES ('DIR', ${quoted(`${H}/work`)}), ('TOKEN', '/abc/def+ghi==');
    INSERT INTO plugin_state_entries VALUES ('telegram', 'offset', '{"update":7}'), ('third', 'dir', ${quoted({ at: `${H}/work` })});
    INSERT INTO from_the_future VALUES (${quoted(`${H}/work/future`)}, ${quoted(`said ${H}/work is fine`)}, ${quoted({ deep: [{ dir: `${H}/work` }] })}, 1);
    INSERT INTO notes_fts VALUES (${quoted(`words about ${H}/work`)});
    ${more}`,
  )
  makeDatabase(
    home.at('.openclaw/agents/work/agent/openclaw-agent.sqlite'),
    `${AGENT_TABLES}
    INSERT INTO auth_profile_store VALUES ('primary', ${quoted({ profiles: { 'x:me': { type: 'oauth', refresh: 'refresh-of-work' } } })});
    INSERT INTO session_nodes VALUES ('agent:work:main', ${quoted({ sessionId: 's1', spawnedCwd: `${H}/work/sub`, last: `I looked at ${H}/work` })});
    INSERT INTO transcript_events VALUES ('s1', 1, ${quoted({ cwd: `${H}/work` })});
    INSERT INTO memory_index_sources VALUES (1, ${quoted(`${H}/work/notes.md`)}), (2, 'memory/a.md');`,
  )
  return { home, layout: layoutOf(H) }
}

export const layoutOf = (home: string, roots: Readonly<Record<string, string>> = {}): Layout => ({
  platform: 'linux',
  hostname: 'node-a',
  user: 'al',
  uid: 1000,
  roots: {
    home,
    state: `${home}/.openclaw`,
    'workspace:main': `${home}/.openclaw/workspace`,
    'workspace:work': `${home}/work`,
    ...roots,
  },
  port: PORT,
  versions: { openclaw: '2026.9.6', schemas: {}, node: '24.21.0', agent: '0.1.0' },
})

/** All that is no directory; links are not followed. */
export const filesUnder = (directory: string): readonly string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const absolute = path.join(directory, entry.name)
    return entry.isDirectory() ? filesUnder(absolute) : [absolute]
  })

/** What stands under the home of the node, with where it is placed. */
function thingsIn({ home, layout }: Node) {
  return filesUnder(home.home).flatMap((absolute) => {
    const stats = lstatSync(absolute)
    const place = placeOf(layout, absolute)
    if (place === undefined || place.root === 'home' || /-(?:wal|shm)$/.test(absolute)) return []
    const source = place.root === 'state' ? sourceOf(place.path) : ('workspace' as const)
    const placement =
      typeof source === 'string'
        ? ({ section: 'workspaces', class: 'bulk', travel: 'always' } as const)
        : source
    const database = absolute.endsWith('.sqlite') && roleOf(place) !== undefined
    const kind = stats.isSymbolicLink() ? 'link' : database ? 'database' : 'file'
    return [{ absolute, place, placement, kind, size: stats.size } as const]
  })
}

export function captured(node: Node, recall?: Uint8Array): Captured {
  const things = thingsIn(node)
  const survey: Survey = {
    layout: node.layout,
    trees: [],
    classify: () => ({ skip: true }),
    separate: (found) => ({ databases: [], others: found, warnings: [] }),
    marks: marksOf(rulesBetween(node.layout, node.layout)),
    warnings: [],
  }
  const sources = things
    .filter(({ kind }) => kind === 'database')
    .map(({ place, absolute, placement }) => ({ ...placement, place, absolute, role: '' }))
  const entries = things.flatMap(({ kind, place, placement, size, absolute }) => {
    if (kind === 'database') return []
    const more = kind === 'link' ? { target: readlinkSync(absolute) } : { sha256: hashOf(absolute) }
    return [{ place, kind, placement, size, ...more }]
  })
  return {
    survey,
    recall,
    databases: (async function* () {
      for (const source of sources) {
        const name = `${source.place.root}:${source.place.path}`
        yield { name, source, sha256: hashOf(source.absolute) }
      }
    })(),
    openDatabase: (place) => Promise.resolve(absoluteOf(node.layout, place)),
    entries: () => entries,
    read: (place) => ({
      bytes: readFileSync(absoluteOf(node.layout, place) ?? ''),
      isSame: true,
    }),
  }
}

const hashOf = (absolute: string): Uint8Array =>
  createHash('sha256').update(readFileSync(absolute)).digest()

export const whereOf = ({ home }: Node): Where =>
  discover({ home: home.home, env: {}, agentStateDir: home.at('agent') })

export interface Staging {
  readonly staged: Staged
  /** Where a path of the new layout lies in the stage. */
  at(absolute: string): string
}

export function stage(node: Node, to: Layout, choices: Partial<Choices> = {}): Staging {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-stage-')))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const at = (absolute: string) => directory + absolute
  const files = thingsIn(node).map(({ absolute, place, kind, placement }) => {
    const becomes = absoluteOf(to, place) as string
    mkdirSync(path.dirname(at(becomes)), { recursive: true })
    if (kind === 'link') symlinkSync(readlinkSync(absolute), at(becomes))
    else copyFileSync(absolute, at(becomes))
    return { absolute: becomes, kind, section: placement.section }
  })
  const all = { ...defaultChoices(choices.kind ?? 'move'), ...choices }
  const rules = rulesBetween(node.layout, to)
  return { at, staged: { from: node.layout, to, at, files, rules, choices: all, port: to.port } }
}
