/**
 * Every command that README.md and docs/operations.md show is run, in their order, against a hub that the first of them
 * starts. What would change this machine or takes minutes is named here with its reason, and checked for being there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  blockCommands,
  type Documented,
  mentionedCommands,
  ROOT,
} from './support/documented/commands.ts'
import { openScene, type Scene } from './support/documented/scene.ts'
import { type Shed, startShed } from './support/documented/shed.ts'
import { startPostgres, type TestPostgres, whyNoPostgres } from './support/postgres/server.ts'
import { startBucket, type TestBucket, whyNoObjectStore } from './support/object-store/server.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { programOf } from './support/programs.ts'
import { whyNoSshd } from './support/ssh/sshd.ts'
import { until } from './support/until.ts'

const PAGES = ['README.md', 'docs/operations.md']
const { scripts, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  scripts: Record<string, string>
  version: string
}

/** Why a command is not run, and what is looked at instead. */
const NOT_RUN: readonly (readonly [RegExp, string, (found: readonly string[]) => boolean])[] = [
  [
    /^apt install \.\/ocm-hub_(\S+)_amd64\.deb$/,
    'changes this machine',
    ([, packaged]) => packaged === version,
  ],
  [
    /^systemctl restart (\S+)$/,
    'changes this machine',
    ([, unit]) => existsSync(`${ROOT}deploy/${unit}.service`),
  ],
  ...(whyNoObjectStore() === undefined
    ? []
    : [[/--packs-s3 /, 'needs an S3 server', () => true] as const]),
  ...(whyNoPostgres() === undefined
    ? []
    : [[/--catalog-url-file /, 'needs PostgreSQL', () => true] as const]),
  ...(whyNoSshd() === undefined ? [] : [[/ shed\b/, 'needs an sshd', () => true] as const]),
  [/^git pull$/, 'changes this checkout', () => true],
  [/^npm test$/, 'is what runs this', () => 'test' in scripts],
  [
    /^npm run (bench|proof)(?: -- (\S+).*)?$/,
    'takes minutes',
    ([, kind = '', name]) =>
      kind in scripts && (name === undefined || existsSync(`${ROOT}tests/${kind}/${name}.ts`)),
  ],
  [
    /^npm run (check|dev|release)\b/,
    'has a test or proof of its own',
    ([, name = '']) => name in scripts,
  ],
]

const notRun = (text: string) => {
  for (const [what, why, isThere] of NOT_RUN) {
    const found = what.exec(text)
    if (found) return { why, isThere: () => isThere(found) }
  }
  return undefined
}

const isAgent = ({ text }: Documented) => text.startsWith('node ocm-agent.mjs')

/** A join string has to be there before it is used, whatever comes first on the page. */
function inOrder(commands: readonly Documented[]): readonly Documented[] {
  const agent = commands.filter(isAgent)
  return commands
    .filter((command) => !isAgent(command))
    .flatMap((command) => (command.text.startsWith('ocm ticket') ? [command, ...agent] : [command]))
}

let scene: Scene
let url = ''
let link = ''
let joinString = ''
let snapshot = ''

beforeAll(() => {
  scene = openScene(freshMachine('documented'))
})
afterAll(async () => {
  await scene?.stop()
  await shed?.stop()
  await bucket?.stop()
  await postgres?.stop()
})

async function done(command: string, as?: Parameters<Scene['run']>[1]): Promise<string> {
  const { code, out, err } = await scene.run(command, as)
  expect({ command, code, said: code === 0 ? '' : out + err }).toEqual({
    command,
    code: 0,
    said: '',
  })
  return out
}
const json = async <T>(command: string) => JSON.parse(await done(`ocm ${command} --json`)) as T

const online = (label: string) =>
  until(
    async () =>
      (await json<{ label: string; online: boolean }[]>('nodes')).some(
        (node) => node.label === label && node.online,
      ),
    { timeoutMs: 30_000, everyMs: 300, what: `${label} is connected` },
  )

async function addAttic(): Promise<void> {
  const { join: string } = await json<{ join: string }>('ticket --label attic')
  const as = { home: scene.homes.attic }
  await done(`node ocm-agent.mjs join ${string}`, as)
  await scene.serve('exec node ocm-agent.mjs run', /"connected"/, as)
  await online('attic')
  await done('ocm backup attic')
}

/** What a reader would fill in. */
async function filledIn(text: string): Promise<string> {
  let command = text
    .replaceAll('http://127.0.0.1:8001/setup#…', link)
    .replaceAll('http://127.0.0.1:8001', url)
    .replace('ocm1.…', joinString)
    .replace(/--port 8001$/, '--port 0')
  if (/\bSNAPSHOT\b/.test(command)) {
    snapshot ||= (await json<{ id: string }[]>('snapshots study'))[0]?.id.slice(0, 12) ?? ''
    command = command.replace('SNAPSHOT', snapshot)
  }
  return command
}

const played = new Set<string>()

/** Fails where it does not answer 0. Once is enough. */
async function play(text: string): Promise<true> {
  if (!played.has(text)) await playOne(text)
  played.add(text)
  return true
}

async function playOne(text: string): Promise<void> {
  if (text.startsWith('alias ')) return void scene.preamble.push(text)
  if (text === 'npm start') {
    if (link !== '') return
    const data = join(scene.folder, 'data')
    const start = `exec npm start -- --port 0 --data ${data}`
    link = await scene.serve(start, /http:\S+\/setup#\S+/, { inClone: true })
    url = new URL(link).origin
    return
  }
  if (link === '') throw new Error('the hub of the page has not started')
  const command = await throughSsh(await filledIn(text))
  if (command.includes('--catalog-url-file')) await namePostgres()
  const study = { home: scene.homes.study }
  if (command.startsWith('node ocm-agent.mjs run')) {
    await scene.serve(`exec ${command}`, /"connected"/, study)
    await online('study')
    return addAttic()
  }
  if (command.startsWith('node ocm-agent.mjs')) return void (await done(command, study))
  if (command.startsWith('ocm-hub serve')) {
    // A hub of its own for each: the one that is there goes on.
    const own = (await inBucket(command)).replace('--data data', `--data of-${command.length}`)
    const certificate = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    if (own.includes('cert.pem')) {
      await done(`${certificate} -keyout key.pem -out cert.pem -subj /CN=hub -days 2 2>/dev/null`)
    }
    await scene.serve(own.includes('--port') ? own : `${own} --port 0`, /^OCM hub: \S+$/m)
    return scene.stopNewest()
  }
  const said = await done(command.startsWith('ocm ') ? `${command} --yes` : command)
  const code = /([0-9a-z]{4}-){7}[0-9a-z]{4}/.exec(said)?.[0]
  if (/^ocm (setup|vault epoch)/.test(command)) scene.keepCode(code ?? '')
  if (/^ocm vault (recover|passphrase)/.test(command)) scene.changed()
  if (command.startsWith('ocm ticket')) joinString = /ocm1\.\S+/.exec(said)?.[0] ?? ''
}

let shed: Shed | undefined

/** The node without an agent of the page is one that is there. */
async function throughSsh(command: string): Promise<string> {
  if (!/ shed\b/.test(command)) return command
  shed ??= await startShed(scene.folder)
  scene.have(shed.env)
  return shed.fill(command)
}

let postgres: TestPostgres | undefined

/** The database of the page is one that is there. */
async function namePostgres(): Promise<void> {
  postgres ??= await startPostgres('fsync=off')
  writeFileSync(join(scene.folder, 'catalog-url'), postgres.remote(), { mode: 0o600 })
}

let bucket: TestBucket | undefined

/** The bucket of the page is one that is there. */
async function inBucket(command: string): Promise<string> {
  if (!command.includes('--packs-s3')) return command
  bucket ??= await startBucket()
  const { id, secret } = bucket.keys
  const lines = `AWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY=${secret}\n`
  writeFileSync(join(scene.folder, 's3.keys'), lines, { mode: 0o600 })
  return command
    .replace('https://s3.example.net/ocm-packs', bucket.url)
    .replace(/(--packs-s3-region) \S+/, `$1 ${bucket.region}`)
}

describe.each(PAGES)('%s', (page) => {
  test.each(inOrder(blockCommands(page)).map(({ at, text }) => [at, text]))(
    '%s: %s',
    async (_, text) => {
      const other = notRun(text)
      const outcome = other ? other.isThere() : await play(text)
      expect(outcome).toBe(true)
    },
  )

  test('speaks of no command, and of no option, that there is not', () => {
    const unknown = mentionedCommands(page).filter((text) => !isKnown(text))
    expect(unknown).toEqual([])
  })
})

const helps = new Map<string, string>()
function helpOf(program: string, words: readonly string[]): string {
  const key = [program, ...words].join(' ')
  const known = helps.get(key)
  if (known !== undefined) return known
  const args = [programOf(program), ...words, '--help']
  const help = spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout
  helps.set(key, help)
  return help
}

/** By the help of the command that it names. */
function isKnown(text: string): boolean {
  const [program = '', ...words] = text.split(/\s+/)
  const path = words.slice(0, 2).filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('-'))
  const [first, second] = path
  const names = (usage: string) => new RegExp(`^Usage: ${program} ${usage}\\b`)
  let usage = helpOf(program, path.slice(0, 1))
  if (first !== undefined && !names(first).test(usage)) return false
  // Otherwise the second word is an argument.
  if (second !== undefined && /^Usage: .*\[command\]/.test(usage)) {
    usage = helpOf(program, path)
    if (!names(`${first} ${second}`).test(usage)) return false
  }
  return words.filter((word) => word.startsWith('--')).every((flag) => usage.includes(flag))
}
