import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { base64url, makeRelease } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { TestHub } from '../testing/hub.ts'

const installer = fileURLToPath(new URL('../../../../deploy/install-agent.sh', import.meta.url))
const JOIN = 'ocm1.a-secret-of-one-node.abcdef'

/** Stands in for the agent: says its version, and writes down what it was told to join with. */
const PROGRAM = `
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
const [command, ...args] = process.argv.slice(2)
if (command === '--version') console.log('0.9.1')
if (command === 'join') {
  const state = args[args.indexOf('--state') + 1]
  const file = args.indexOf('--file')
  mkdirSync(state, { recursive: true })
  const said = readFileSync(file === -1 ? 0 : args[file + 1], 'utf8')
  writeFileSync(state + '/enrolment', JSON.stringify({ args, said: said.trim() }))
}
`

let ground: string
let home: string
let hub: TestHub
let agent: string
const key = p.ed25519Pair()

beforeAll(async () => {
  ground = await mkdtemp(`${tmpdir()}/ocm-install-`)
  agent = `${ground}/agent.mjs`
  await writeFile(agent, PROGRAM)
  hub = await TestHub.ready({ installer, agentBundle: agent })
})
afterAll(async () => {
  await hub.close()
  await rm(ground, { recursive: true, force: true })
})
beforeEach(async () => {
  home = await mkdtemp(`${ground}/home-`)
})

interface Ran {
  readonly code: number
  readonly out: string
}

/** As somebody whose account has no service manager. */
async function install(
  args: readonly string[],
  input = `${JOIN}\n`,
  more: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const script = `${ground}/install-agent.sh`
  const { body } = await hub.call('GET', '/install-agent.sh')
  await writeFile(script, body)
  const env = {
    PATH: `${process.execPath.replace(/\/node$/, '')}:/usr/bin:/bin`,
    HOME: home,
    XDG_RUNTIME_DIR: `${home}/none`,
    ...more,
  }
  return new Promise((resolve) => {
    const child = execFile('sh', [script, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: stdout + stderr }),
    )
    child.stdin?.on('error', () => {}) // It may end before it reads.
    child.stdin?.end(input)
  })
}

const program = () => `${home}/.local/share/ocm-agent/ocm-agent.mjs`
const joined = async () =>
  JSON.parse(await readFile(`${home}/.local/state/ocm-agent/enrolment`, 'utf8')) as {
    readonly args: readonly string[]
    readonly said: string
  }

test('the hub serves what it says the sums of, and the sums to those who are logged in', async () => {
  const { installer: script, agent: sum } = (await hub.call('GET', '/api/install')).body
  const bytes = await (await fetch(`${hub.url}/install/ocm-agent.mjs`)).bytes()
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sum)
  const text = await (await fetch(`${hub.url}/install-agent.sh`)).bytes()
  expect(createHash('sha256').update(text).digest('hex')).toBe(script)
  expect((await fetch(`${hub.url}/api/install`)).status).toBe(401)
  expect((await fetch(`${hub.url}/install/agent-release`)).status).toBe(404)
})

test('installs for one account, joins with what comes on stdin, and says how to run it', async () => {
  const ran = await install(['--hub', hub.url])
  expect(ran.out).toContain('ocm-agent 0.9.1 is in')
  expect(ran.code).toBe(0)
  expect(ran.out).toContain(`${program()} run --state ${home}/.local/state/ocm-agent`)
  expect(ran.out).not.toContain(JOIN)
  expect((await stat(program())).mode & 0o777).toBe(0o700)
  const { said, args } = await joined()
  expect(said).toBe(JOIN)
  expect(args.join(' ')).not.toContain(JOIN)

  // Once more: an update of the program, and the same node.
  const again = await install(['--hub', hub.url], 'ocm1.another.abcdef\n')
  expect(again).toMatchObject({ code: 0 })
  expect((await joined()).said).toBe(JOIN)
})

test.each([
  ['22.21.1', false],
  ['24.15.9', false],
  ['24.16.0', true],
  ['25.0.0', true],
])('a Node %s runs the agent: %s', async (version, isTaken) => {
  const node = `${home}/node`
  const says = `${home}/says.cjs`
  await writeFile(says, `Object.defineProperty(process.versions, 'node', { value: '${version}' })`)
  const script = `#!/bin/sh\nexec ${process.execPath} --require ${says} "$@"\n`
  await writeFile(node, script, { mode: 0o755 })
  const ran = await install(['--hub', hub.url], undefined, { OCM_NODE: node })
  expect(ran.code).toBe(0)
  expect(ran.out).toContain(`  ${isTaken ? node : process.execPath} --report-exclude-env`)
})

test('leaves nothing when it is told to go', async () => {
  await mkdir(`${home}/mine`)
  expect(await install(['--hub', hub.url])).toMatchObject({ code: 0 })
  expect(await install(['--uninstall'], '')).toMatchObject({ code: 0 })
  expect(await readdir(home)).toEqual(['mine'])
  expect(await install(['--uninstall'], '')).toMatchObject({ code: 0 })
})

test('is told to go: finds the directory in its unit, and takes away only what an agent made', async () => {
  const other = `${home}/elsewhere/agent`
  expect(await install(['--hub', hub.url, '--state', other])).toMatchObject({ code: 0 })
  const units = `${home}/.config/systemd/user`
  await mkdir(units, { recursive: true })
  const line = `ExecStart=node ${program()} run --state ${other} --openclaw-home ${home}\n`
  await writeFile(`${units}/ocm-agent.service`, line)
  await writeFile(`${other}/mine`, '')
  expect(await install(['--uninstall'], '')).toMatchObject({ code: 0 })
  expect(await readdir(other)).toEqual(['mine'])

  await writeFile(`${other}/log`, '')
  const strange = await install(['--uninstall', '--state', other], '')
  expect(strange.out).toContain('Left alone')
  expect(await readdir(other)).toEqual(['log', 'mine'])
})

test('does not go while its agent is alive', async () => {
  expect(await install(['--hub', hub.url])).toMatchObject({ code: 0 })
  const line = await readFile('/proc/self/stat', 'utf8')
  const startedAt = line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
  const mark = `${home}/.local/state/ocm-agent/running`
  await writeFile(mark, JSON.stringify({ pid: process.pid, startedAt }))
  const alive = await install(['--uninstall'], '')
  expect(alive.out).toContain(`the agent is at work (process ${process.pid})`)
  expect(alive.code).toBe(1)
  expect((await joined()).said).toBe(JOIN)
  await writeFile(mark, JSON.stringify({ pid: process.pid, startedAt: '1' }))
  expect(await install(['--uninstall'], '')).toMatchObject({ code: 0 })
})

test.runIf(process.getuid?.() === 0)(
  'root does not run what is in the home of another',
  async () => {
    await chown(home, 65_534, 65_534)
    const ran = await install(['--hub', hub.url])
    expect(ran.out).toContain('home of another account')
    expect(ran.code).toBe(1)
  },
)

test('takes a join string from a file that only its owner reads, and from no command line', async () => {
  const file = `${home}/join`
  await writeFile(file, JOIN, { mode: 0o644 })
  const exposed = await install(['--hub', hub.url, '--join-file', file], '')
  expect(exposed.out).toContain('chmod 600')
  expect(exposed.code).toBe(1)
  await chmod(file, 0o600)
  expect(await install(['--hub', hub.url, '--join-file', file], '')).toMatchObject({ code: 0 })
  expect((await joined()).said).toBe(JOIN)
  const typed = await install(['--hub', hub.url, JOIN], '')
  expect(typed).toMatchObject({ code: 1 })
  expect(typed.out).toContain('history')
})

test('installs no other program than the one that was named', async () => {
  const ran = await install(['--hub', hub.url, '--agent-sha256', '0'.repeat(64)])
  expect(ran.out).toContain('another one than was named')
  expect(ran.code).toBe(1)
  expect(await readdir(home)).toEqual([])
  for (const far of ['192.0.2.1:8001', '127.0.0.1.evil.example', 'localhost:x@evil.example']) {
    const open = await install(['--hub', `http://${far}`])
    expect(open.out).toContain('over plain http the program needs')
  }
})

test('takes a release that is signed with the key that was named, and no other', async () => {
  const bytes = new Uint8Array(await readFile(agent))
  const file = makeRelease(p, { version: '0.9.1', serial: 70_000 }, bytes, key)
  await hub.call('PUT', '/api/agent-release', { release: base64url(file) })
  const named = (public_: Uint8Array) =>
    install(['--hub', hub.url, '--release-key', base64url(public_)])
  const foreign = await named(p.ed25519Pair().public)
  expect(foreign.out).toContain('not signed with this key')
  expect(foreign.code).toBe(1)
  expect(await readdir(home)).toEqual([])
  const ran = await named(key.public)
  expect(ran.out).toContain('Release 70000 (0.9.1), signed with the key.')
  expect(await readFile(program(), 'utf8')).toBe(PROGRAM)
})

const rest = (of: string) => of.replaceAll(/^(#.*|ExecStart=.*)\n/gm, '')

test('its unit is the one of deploy/, but for what it runs', async () => {
  const text = await readFile(installer, 'utf8')
  const made = /<<UNIT\n(.*?)UNIT\n/s.exec(text)?.[1] ?? ''
  const unit = await readFile(installer.replace('install-agent.sh', 'ocm-agent.service'), 'utf8')
  expect(rest(made)).toBe(rest(unit))
})
