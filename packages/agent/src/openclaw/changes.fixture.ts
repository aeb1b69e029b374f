/** What may happen to a node between two captures, at random. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Home, makeAgentDatabase, makeDatabase } from './home.fixture.ts'
import { type Node, filesUnder, makeNode } from './staged.fixture.ts'

/** A node with something of everything that is looked for. */
export function makeBusyNode(): Node {
  const node = makeNode()
  const { home } = node
  makeAgentDatabase(home, 'second', "INSERT INTO session_nodes VALUES ('k', 'session-0');")
  makeDatabase(home.at('.openclaw/some-plugin/store.db'), 'CREATE TABLE notes (text TEXT)')
  home.write('.openclaw/cron/jobs.json', '{"jobs":[{"id":"old","name":"old job"}]}')
  home.write('.openclaw/extensions/p/openclaw.plugin.json', '{ "id": "p" }')
  home.write('.openclaw/agents/work/sessions/sessions.json', '{"k":{"sessionId":"s-file"}}')
  home.write('work/skills/one/SKILL.md', '---\nname: first\n---\n')
  for (let i = 0; i < 20; i++) home.write(`work/notes/${i}.md`, `Nothing in number ${i}.\n`)
  return node
}

export type Numbers = () => number

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function numbers(seed: number): Numbers {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** @returns what was done, for people. */
export function change({ home }: Node, next: Numbers): string {
  const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T
  const number = () => Math.floor(next() * 6)
  const text = () => one(TEXTS)(home.home, number())
  const [name, make] = one(CHANGES)
  try {
    make({ home, one, number, text })
  } catch (error) {
    // An earlier change took away or broke what this one is about.
    if (!(error instanceof Error && 'code' in error)) throw error
    return `${name}: ${error.message}`
  }
  return name
}

const TEXTS: readonly ((home: string, n: number) => string)[] = [
  (_, n) => `Nothing in number ${n}.\n`,
  (home, n) => `Look into ${home}/work/${n}.md\n`,
  (home) => `file://${home}/work and ${home}x\n`,
  (home) => Array.from({ length: 25 }, (_, i) => `${home}/work/${i}`).join('\n'),
  (home, n) => `{"path":"${home}/.openclaw/${n}","list":["/opt/other/place"]}`,
  (home) => JSON.stringify({ path: `${home}/work` }).replaceAll('/', String.raw`\/`),
  (home, n) => `A="${home}/work/${n}"\nTELEGRAM_BOT_TOKEN_${n}=1:x\n`,
  (_, n) => `---\nname: skill ${n}\n---\n`,
  (home) => `\0${home}/work`,
  () => '',
]

const FILES = [
  'work/a.md',
  'work/b.txt',
  'work/c.png',
  'work/notes/1.md',
  'work/notes/2.md',
  'work/skills/one/SKILL.md',
  '.openclaw/skills/two/SKILL.md',
  '.openclaw/secrets.json',
  '.openclaw/.env',
  '.openclaw/more.env',
  '.openclaw/odd.json',
  '.openclaw/exec-approvals.json',
  '.openclaw/credentials/x/creds.json',
  '.openclaw/cron/jobs.json',
  '.openclaw/extensions/q/openclaw.plugin.json',
  '.openclaw/agents/work/sessions/sessions.json',
  '.openclaw/agents/second/agent/auth-profiles.json',
  '.openclaw/workspace/MEMORY.md',
  '.openclaw/workspace/skills/three/SKILL.md',
  '.openclaw/models.json5',
  '.openclaw/logs/x.log',
]

const DATABASES = [
  '.openclaw/state/openclaw.sqlite',
  '.openclaw/agents/work/agent/openclaw-agent.sqlite',
  '.openclaw/agents/second/agent/openclaw-agent.sqlite',
  '.openclaw/some-plugin/store.db',
]

interface With {
  readonly home: Home
  one<T>(of: readonly T[]): T
  number(): number
  text(): string
}

const quoted = (text: string) => `'${text.replaceAll("'", "''").replaceAll('\0', '')}'`

function inDatabase({ home }: With, name: string, sql: string): void {
  const file = home.at(name)
  if (!existsSync(file)) return
  const database = new DatabaseSync(file)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}

function editConfig({ home }: With, edit: (text: string) => string): void {
  const file = home.at('.openclaw/openclaw.json')
  writeFileSync(file, edit(readFileSync(file, 'utf8')))
}

const CHANGES: readonly (readonly [string, (it: With) => void])[] = [
  ['nothing', () => undefined],
  ['a file is written', (it) => it.home.write(it.one(FILES), it.text())],
  ['another file is written', (it) => it.home.write(it.one(FILES), it.text())],
  ['a file is removed', (it) => rmSync(it.home.at(it.one(FILES)), { force: true })],
  [
    'a file becomes another',
    (it) => {
      const [from, to] = [it.one(FILES), it.home.at(it.one(FILES))]
      mkdirSync(path.dirname(to), { recursive: true })
      renameSync(it.home.at(from), to)
    },
  ],
  [
    'a file is copied',
    (it) => {
      const files = filesUnder(it.home.at('work'))
      copyFileSync(it.one(files), it.home.at(it.one(FILES)))
    },
  ],
  [
    'a link is made',
    (it) => {
      const link = it.home.at(`work/link-${it.number()}`)
      rmSync(link, { force: true })
      symlinkSync(
        it.one([it.home.at('work/a.md'), 'a.md', '../.openclaw/skills', '/opt/x/y']),
        link,
      )
    },
  ],
  [
    'a job is filed',
    (it) => {
      const id = it.number()
      const store = quoted(it.one([`${it.home.state}/cron/jobs.json`, '/else/where.json']))
      const job = quoted(JSON.stringify({ id: `j${id}`, name: `n${id}`, cwd: it.text() }))
      inDatabase(
        it,
        DATABASES[0] as string,
        `INSERT OR REPLACE INTO cron_jobs (store_key, job_id, name, enabled, job_json) VALUES (${store}, 'j${id}', 'n', 1, ${job})`,
      )
    },
  ],
  [
    'a table nobody knows is filled',
    (it) => {
      const table = `unknown_${it.number()}`
      inDatabase(
        it,
        it.one(DATABASES),
        `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO ${table} (body) VALUES (${quoted(it.text())})`,
      )
    },
  ],
  [
    'a conversation begins',
    (it) =>
      inDatabase(
        it,
        it.one(DATABASES.slice(1, 3)),
        `INSERT OR REPLACE INTO session_nodes (session_key, current_session_id) VALUES ('k${it.number()}', 's${it.number()}')`,
      ),
  ],
  [
    'a table changes its shape',
    (it) =>
      inDatabase(it, DATABASES[0] as string, `ALTER TABLE cron_jobs RENAME COLUMN job_json TO x`),
  ],
  [
    'a database becomes that of another persona',
    (it) => copyFileSync(it.home.at(DATABASES[1] as string), it.home.at(DATABASES[2] as string)),
  ],
  ['a database is damaged', (it) => damage(it.home.at(it.one(DATABASES)))],
  ['a channel is set up', (it) => editConfig(it, (text) => text.replace('telegram:', 'signal:'))],
  ['a channel is renamed', (it) => editConfig(it, (text) => text.replace('signal:', 'telegram:'))],
  [
    'an include goes',
    (it) => editConfig(it, (text) => text.replace('./models.json5', './no.json5')),
  ],
  [
    'an include comes',
    (it) => editConfig(it, (text) => text.replace('./no.json5', './models.json5')),
  ],
  ['a workspace is elsewhere', (it) => editConfig(it, (text) => text.replace('/work"', '/work2"'))],
  ['a workspace is back', (it) => editConfig(it, (text) => text.replace('/work2"', '/work"'))],
  ['the port changes', (it) => editConfig(it, (text) => text.replace('port: 28', 'port: 18'))],
  [
    'the configuration is broken',
    (it) => editConfig(it, (text) => text.replace('gateway: {', 'g {')),
  ],
  [
    'the configuration is repaired',
    (it) => editConfig(it, (text) => text.replace('g {', 'gateway: {')),
  ],
  [
    'the configuration is kept aside',
    (it) =>
      copyFileSync(
        it.home.at('.openclaw/openclaw.json'),
        it.home.at('.openclaw/openclaw.json.last-good'),
      ),
  ],
]

/** A page in the middle, so that what comes before it can still be read. */
function damage(file: string): void {
  const bytes = readFileSync(file)
  if (bytes.length < 16_384) return
  bytes.fill(0xa5, 8192, 12_288)
  writeFileSync(file, bytes)
}
