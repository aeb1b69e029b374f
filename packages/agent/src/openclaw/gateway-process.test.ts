import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Layout } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { detectGateway } from './gateway.ts'
import { isReady, waitUntil } from './gateway-watch.ts'
import { processGateway } from './gateway-process.ts'

/** Takes the lock, answers /readyz and ends on SIGTERM the way OpenClaw does. */
const GATEWAY = `
import { createServer } from 'node:http'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
const env = process.env
const port = Number(process.argv[process.argv.indexOf('--port') + 1])
const folder = env.OPENCLAW_STATE_DIR + '/tmp/openclaw-' + process.getuid()
mkdirSync(folder, { recursive: true })
const stat = readFileSync('/proc/self/stat', 'utf8')
const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
const lock = folder + '/gateway.state.lock'
const server = createServer((request, answer) => answer.end(JSON.stringify({ ready: true })))
server.listen(port, '127.0.0.1', () => {
  writeFileSync(lock, JSON.stringify({ pid: process.pid, port, startTime }) + ' \\t '.repeat(99))
  console.log('started', port, env.OPENCLAW_SKIP_CHANNELS ?? '', process.cwd())
})
if (env.TITLE) process.title = env.TITLE
process.on('SIGTERM', () => {
  if (env.STUBBORN) return
  setTimeout(() => { rmSync(lock); process.exit(0) }, 300)
})
`

let dir = ''
let home = ''
let state = ''
let script = ''
const children: ChildProcess[] = []

beforeEach(async () => {
  dir = await realpath(await mkdtemp(path.join(tmpdir(), 'ocm-gateway-')))
  home = path.join(dir, 'home')
  state = path.join(home, '.openclaw')
  script = path.join(dir, 'lib/openclaw/openclaw.mjs')
  mkdirSync(state, { recursive: true })
  mkdirSync(path.dirname(script), { recursive: true })
  writeFileSync(script, GATEWAY)
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await processGateway(site(), undefined).stop()
  rmSync(dir, { recursive: true, force: true })
})

const site = (port = 1) => ({
  home,
  stateDir: state,
  configPath: path.join(state, 'openclaw.json'),
  port,
  profile: '',
  bin: script,
})
const layout = (port: number): Layout => ({
  platform: 'linux',
  hostname: 'h',
  user: 'u',
  uid: 0,
  roots: { home, state },
  port,
  versions: { openclaw: '', schemas: {}, node: '', agent: '' },
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function runGateway(port: number, env: Record<string, string> = {}): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [script, 'gateway', 'run', '--port', String(port), '--bind', 'loopback'],
    {
      cwd: dir,
      env: { PATH: '/usr/bin', HOME: home, OPENCLAW_STATE_DIR: state, ...env },
      stdio: 'ignore',
    },
  )
  children.push(child)
  expect(await waitUntil(() => isReady(state, port), 10_000)).toBe(true)
  return child
}

test('a gateway that ran by itself is stopped and runs again the same way on another port', async () => {
  const [before, after] = [await freePort(), await freePort()]
  const first = await runGateway(before, { OPENCLAW_SKIP_CHANNELS: '1' })
  const gateway = await detectGateway(site(before))
  expect([gateway.kind, await gateway.isRunning()]).toEqual(['process', true])
  // As after a restart of the agent: what was remembered crosses as JSON.
  const remembered = JSON.parse(JSON.stringify(await gateway.remember())) as Record<string, unknown>
  await gateway.stop()
  expect(first.exitCode).toBe(0)
  expect(await gateway.isRunning()).toBe(false)
  const output = path.join(dir, 'gateway.log')
  writeFileSync(output, 'earlier\n')

  const again = await detectGateway(site(before), { ...remembered, output })
  await again.start(layout(after))
  expect(await again.waitReady(layout(after), 10_000)).toBe(true)
  expect(readFileSync(output, 'utf8')).toBe(`earlier\nstarted ${after} 1 ${dir}\n`)
  expect(remembered['argv']).toContain('--bind')
  await again.stop()
})

test('what ran before an apply is what runs again after the gateway of the apply is stopped', async () => {
  const [before, after] = [await freePort(), await freePort()]
  await runGateway(before)
  const first = await detectGateway(site(before))
  const remembered = JSON.parse(JSON.stringify(await first.remember())) as unknown
  await first.stop()
  const applied = await detectGateway(site(after), remembered)
  await applied.start(layout(after))
  expect(await applied.waitReady(layout(after), 10_000)).toBe(true)

  const back = await detectGateway(site(after), remembered)
  await back.stop()
  await back.start(layout(before), 'as-before')
  expect(await back.waitReady(layout(before), 10_000)).toBe(true)
  await back.stop()
})

test('a gateway that has overwritten its arguments with a title is known all the same', async () => {
  const port = await freePort()
  await runGateway(port, { TITLE: 'openclaw-gateway' })
  // It was started on a port that the configuration does not know.
  const configured = await freePort()
  const gateway = await detectGateway(site(configured))
  expect(gateway.kind).toBe('process')
  expect(await gateway.remember()).toMatchObject({
    argv: [expect.stringMatching(/node/), script, 'gateway', 'run', '--port', String(port)],
  })
  await gateway.stop()
  expect(await gateway.isRunning()).toBe(false)
  await gateway.start(layout(configured), 'as-before')
  expect(await gateway.waitReady(layout(port), 10_000)).toBe(true)
})

test('one that does not end in time is reported, not killed', async () => {
  const port = await freePort()
  const child = await runGateway(port, { STUBBORN: '1' })
  const gateway = processGateway(site(port), undefined, { stopMs: 500 })
  await expect(gateway.stop()).rejects.toMatchObject({ code: 'gateway-will-not-stop' })
  expect(child.exitCode).toBeNull()
  child.kill('SIGKILL')
  await once(child, 'exit')
  rmSync(path.join(state, 'tmp'), { recursive: true })
})

test('where nothing ever ran, one is started with the home and state directory of the site', async () => {
  const port = await freePort()
  const gateway = await detectGateway(site(port))
  expect([gateway.kind, await gateway.isRunning()]).toEqual(['none', false])
  await gateway.start(layout(port))
  expect(await gateway.waitReady(layout(port), 10_000)).toBe(true)
  expect((await detectGateway(site(port))).kind).toBe('process')
  await gateway.stop()
  expect(
    existsSync(path.join(state, 'tmp', `openclaw-${process.getuid?.()}`, 'gateway.state.lock')),
  ).toBe(false)
})

test('one that ends at once is not waited for until the time is up', async () => {
  writeFileSync(script, 'process.exit(78)\n')
  const port = await freePort()
  const gateway = await detectGateway(site(port))
  const since = performance.now()
  await gateway.start(layout(port))
  expect(await gateway.waitReady(layout(port), 60_000)).toBe(false)
  expect(performance.now() - since).toBeLessThan(20_000)
})

test('a fenced one is never started', async () => {
  writeFileSync(`${state}.ocm-fenced.json`, '{}')
  const gateway = await detectGateway(site())
  await expect(gateway.start(layout(1))).rejects.toMatchObject({ code: 'source-fenced' })
})

test('the gateway of another home is left alone', async () => {
  const port = await freePort()
  await runGateway(port)
  const elsewhere = {
    ...site(port),
    home: path.join(dir, 'other'),
    stateDir: path.join(dir, 'other/.openclaw'),
  }
  const gateway = await detectGateway(elsewhere)
  expect(await gateway.isRunning()).toBe(false)
  await gateway.stop()
  expect(await isReady(state, port)).toBe(true)
})
