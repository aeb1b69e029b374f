/**
 * A home as OpenClaw lays it out, made of nothing but a seed: databases, old conversations as JSONL, compressed
 * archives, workspaces of many small files, media that nothing compresses, logs. `large` is about 2 GB in 28,000 files,
 * `small` about 64 MB in 2,000.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { zstdCompressSync } from 'node:zlib'
import { execFileSync } from 'node:child_process'
import { type Templates, agentDatabase, stateDatabase, templatesFrom } from './databases.ts'
import { word } from './prose.ts'
import { Random } from './random.ts'
import { Conversation, EPOCH, code, log, notes, records } from './texts.ts'

export const SIZES = { small: 1 / 37, large: 1 } as const
export type Size = keyof typeof SIZES

export const SEED = 1
const MB = 1e6
/** Where its gateway listens when somebody starts it. */
export const DATASET_PORT = 28_931

const recipe = () =>
  ['random', 'prose', 'texts', 'databases', 'dataset']
    .map((name) => readFileSync(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), 'utf8'))
    .join('')

/**
 * A data set at `home`, made once for each recipe and copied from `kept` ever after.
 * @param populated a home of a real OpenClaw, whose schema the databases get.
 */
export function datasetAt(home: string, size: Size, kept: string, populated?: string): void {
  const name = hash('sha256', `${recipe()}${populated === undefined ? '' : 'real'}`).slice(0, 12)
  const pristine = join(kept, `${size}-${name}`)
  if (!existsSync(pristine)) {
    rmSync(`${pristine}.part`, { recursive: true, force: true })
    mkdirSync(`${pristine}.part`, { recursive: true })
    const templates = templatesFrom(populated, join(kept, `templates-${name}`))
    makeHome(join(`${pristine}.part`, '.openclaw'), SIZES[size], templates)
    renameSync(`${pristine}.part`, pristine)
  }
  rmSync(home, { recursive: true, force: true })
  mkdirSync(dirname(home), { recursive: true })
  execFileSync('cp', ['-a', '--reflink=auto', pristine, home])
}

/** @param share of the large set */
function makeHome(root: string, share: number, templates: Templates | undefined): void {
  const personas: readonly (readonly [string, number])[] =
    share > 0.3
      ? [
          ['main', 0.5],
          ['research', 0.28],
          ['coder', 0.15],
          ['ops', 0.07],
        ]
      : [
          ['main', 0.8],
          ['research', 0.2],
        ]
  const names = personas.map(([name]) => name)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  configure(root, names)
  stateDatabase(root, names, templates)
  for (const [name, part] of personas) {
    const bytes = MB * share * part
    agentDatabase(root, name, 640 * bytes, new Random(SEED, `database ${name}`), templates)
    conversations(root, name, 500 * bytes, share)
    archives(root, name, 100 * bytes)
  }
  workspaces(root, names, share < 0.1 ? 1880 : Math.round(25_600 * share))
  media(root, 350 * MB * share)
  logs(root, 80 * MB * share)
}

/** @param random draws when the file was last changed */
function put(root: string, path: string, bytes: Uint8Array | string, random: Random, mode = 0o600) {
  const at = join(root, path)
  mkdirSync(dirname(at), { recursive: true })
  writeFileSync(at, bytes, { mode })
  const when = EPOCH + random.below(8_000_000)
  utimesSync(at, when, when)
}

export const workspaceOf = (persona: string): string =>
  persona === 'main' ? 'workspace' : `workspace-${persona}`

function configure(root: string, personas: readonly string[]): void {
  const random = new Random(SEED, 'root')
  const entries = personas.map(
    (name) =>
      `      ${name}: { name: "${name}", workspace: "~/.openclaw/${workspaceOf(name)}" },\n`,
  )
  const config = `// tuned by hand
{
  gateway: { mode: "local", port: ${DATASET_PORT}, bind: "loopback", auth: { mode: "token", token: "${random.hex(48)}" } },
  agents: {
    defaults: { heartbeat: { every: "0m" }, systemAgent: { agentId: "main" } },
    ownership: "explicit",
    entries: {
${entries.join('')}    },
  },
}
`
  put(root, 'openclaw.json', config, random)
  const key = `mock-${random.hex(90)}`
  put(root, '.env', `MOCK_API_KEY=${key}\nOTHER_TOKEN=${random.hex(35)}\n`, random)
  put(root, 'config-journal-fingerprint.key', random.bytes(32), random)
  for (let i = 0; i < 12; i++) {
    const file = `credentials/whatsapp/default/pre-key-${i}.json`
    put(root, file, JSON.stringify({ k: random.hex(128), i }), random)
  }
  put(root, 'credentials/whatsapp/default/creds.json', random.hex(200), random)
}

function conversations(root: string, persona: string, bytes: number, share: number): void {
  const random = new Random(SEED, `conversations ${persona}`)
  for (let left = bytes, n = 0; left > 0; n++) {
    const size =
      n % 40 === 7
        ? 3e6 + random.below(12e6) * Math.min(1, share * 3 + 0.1)
        : Math.min(6e6, random.size(110_000, 1.1))
    const file = new Conversation(random).file(Math.min(left, size))
    // Of those that OpenClaw does not take into its databases at its next start, which would take minutes.
    put(root, `agents/${persona}/sessions/${random.uuid()}.trajectory.jsonl`, file, random)
    left -= file.length
  }
}

function archives(root: string, persona: string, bytes: number): void {
  const random = new Random(SEED, `archives ${persona}`)
  for (let left = bytes; left > 0;) {
    const file = zstdCompressSync(new Conversation(random).file(random.size(900_000, 0.8)))
    const deleted = 1_780_000_000_000 + random.below(1e10)
    put(
      root,
      `agents/${persona}/sessions/${random.uuid()}.jsonl.deleted.${deleted}.zst`,
      file,
      random,
    )
    left -= file.length
  }
}

function workspaces(root: string, personas: readonly string[], files: number): void {
  const random = new Random(SEED, 'workspaces')
  const folders = personas.map(workspaceOf)
  for (const folder of folders) {
    for (const name of ['AGENTS.md', 'SOUL.md', 'USER.md', 'IDENTITY.md']) {
      put(root, `${folder}/${name}`, notes(random, 2000), random, 0o644)
    }
  }
  for (let n = 0; n < files; n++) {
    const most = folders[Math.floor(random.share() * random.share() * folders.length)]
    const [path, bytes] = workspaceFile(random, n)
    put(root, `${most ?? 'workspace'}/${path}`, bytes, random, 0o644)
  }
}

const two = (n: number) => String(n).padStart(2, '0')

function workspaceFile(random: Random, n: number): readonly [string, Buffer] {
  const kind = random.below(20)
  const size = Math.min(400_000, random.size(3600, 1.05))
  if (kind < 6) {
    const day = `${2024 + random.below(3)}-${two(1 + random.below(12))}-${two(1 + random.below(28))}`
    return [`memory/${day}-${n}.md`, notes(random, size)]
  }
  if (kind < 10) {
    const name = n % 5 === 0 ? `SKILL-${n}` : `ref-${n}`
    return [`skills/${word(random, 300, 400)}/${name}.md`, notes(random, size)]
  }
  if (kind < 15) {
    const folder = `${word(random, 500, 60)}/src/${word(random, 600, 40)}`
    return [`projects/${folder}/${word(random, 700, 4000)}-${n}.ts`, code(random, size)]
  }
  if (kind < 18) {
    return [
      `notes/${word(random, 500, 80)}/${word(random, 700, 4000)}-${n}.md`,
      notes(random, size),
    ]
  }
  return [`projects/${word(random, 500, 60)}/data/${n}.json`, records(random, size)]
}

function media(root: string, bytes: number): void {
  const random = new Random(SEED, 'media')
  for (let left = bytes; left > 0;) {
    const size = Math.min(30e6, random.size(260_000, 1.2), Math.max(20_000, Math.ceil(left)))
    const kind = random.of(['jpg', 'ogg', 'pdf', 'png'])
    put(root, `media/inbound/${random.uuid()}.${kind}`, random.bytes(size), random)
    left -= size
  }
}

function logs(root: string, bytes: number): void {
  const random = new Random(SEED, 'logs')
  for (let left = bytes, n = 0; left > 0; n++) {
    const file = log(random, random.size(250_000, 0.6))
    const path =
      n % 3 === 0
        ? `logs/openclaw-2026-${two(1 + (n % 12))}-${n}.log`
        : `cron/runs/${random.uuid()}.log`
    put(root, path, file, random)
    left -= file.length
  }
}
