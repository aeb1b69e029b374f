import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtempSync, realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Layout } from '@ocm/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { detectGateway } from './gateway.ts'
import { waitUntil } from './gateway-watch.ts'

/**
 * A real service manager of a home of its own: `systemd --user` in a mount namespace where it believes that the machine
 * was booted with systemd, and in control groups of its own.
 */
const MANAGER = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/system
for groups in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
  if [ -e $groups/cgroup.procs ]; then mkdir -p $groups/$NAME; echo $$ > $groups/$NAME/cgroup.procs; fi
done
exec /lib/systemd/systemd --user --log-target=console
`
const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-unit-')))
const home = path.join(dir, 'home')
const state = path.join(home, '.openclaw')
const script = path.join(dir, 'openclaw/openclaw.mjs')
const unitFile = path.join(home, '.config/systemd/user/openclaw-gateway.service')
const group = `ocm-test-${process.pid}`
const before = process.env['XDG_RUNTIME_DIR']
let manager: ChildProcess | undefined

const GATEWAY = `
import { createServer } from 'node:http'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
const port = Number(process.argv[process.argv.indexOf('--port') + 1])
const folder = process.env.HOME + '/.openclaw/tmp/openclaw-' + process.getuid()
mkdirSync(folder, { recursive: true })
const stat = readFileSync('/proc/self/stat', 'utf8')
const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
createServer((request, answer) => answer.end('{"ready":true}')).listen(port, '127.0.0.1', () =>
  writeFileSync(folder + '/gateway.state.lock', JSON.stringify({ pid: process.pid, port, startTime })))
process.on('SIGTERM', () => { rmSync(folder, { recursive: true }); process.exit(0) })
`

/** Answers as \`openclaw gateway install --force --port N\` does: by writing the unit anew. */
const unitText = (port: number) => `[Service]
ExecStart=${process.execPath} ${script} gateway --port ${port}
Restart=always
Environment=HOME=${home}
[Install]
WantedBy=default.target
`

beforeAll(async () => {
  mkdirSync(path.dirname(unitFile), { recursive: true })
  mkdirSync(path.dirname(script), { recursive: true })
  mkdirSync(path.join(dir, 'run'), { mode: 0o700 })
  mkdirSync(state)
  writeFileSync(script, GATEWAY)
  if (process.getuid?.() !== 0 || !existsSync('/lib/systemd/systemd')) return
  const env = {
    NAME: group,
    HOME: home,
    XDG_RUNTIME_DIR: path.join(dir, 'run'),
    PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
  }
  manager = spawn('unshare', ['-m', 'sh', '-c', MANAGER], { env, stdio: 'ignore' })
  process.env['XDG_RUNTIME_DIR'] = env.XDG_RUNTIME_DIR
  await waitUntil(isManaged, 10_000)
})

afterAll(async () => {
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
  else process.env['XDG_RUNTIME_DIR'] = before
  if (manager?.exitCode === null) {
    manager.kill('SIGTERM')
    await once(manager, 'exit')
  }
  for (const groups of ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup']) {
    const own = path.join(groups, group)
    if (existsSync(own))
      execFileSync('find', [own, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
  }
  rmSync(dir, { recursive: true, force: true })
})

function isManaged(): boolean {
  try {
    execFileSync('systemctl', ['--user', 'show', '-p', 'Version'], { stdio: 'ignore' })
    return manager !== undefined
  } catch (error) {
    if (error instanceof Error && ('status' in error || 'code' in error)) return false
    throw error
  }
}

const layout = (port: number): Layout => ({
  platform: 'linux',
  hostname: 'h',
  user: 'u',
  uid: 0,
  roots: { home, state },
  port,
  versions: { openclaw: '', schemas: {}, node: '', agent: '' },
})
const site = (port: number, bin: string | null = null) => ({
  home,
  stateDir: state,
  configPath: path.join(state, 'openclaw.json'),
  port,
  profile: '',
  bin,
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const systemctl = (...args: string[]) =>
  execFileSync('systemctl', ['--user', ...args], { encoding: 'utf8', stdio: 'pipe' })

test('a unit of the account is stopped, masked against every start, and started again', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const port = await freePort()
  writeFileSync(unitFile, unitText(port))
  systemctl('daemon-reload')
  const gateway = await detectGateway(site(port))
  expect([gateway.kind, await gateway.isRunning()]).toEqual(['user-unit', false])
  await gateway.start(layout(port))
  expect(await gateway.waitReady(layout(port), 15_000)).toBe(true)

  await gateway.stop()
  await gateway.mask()
  await gateway.mask()
  expect(await gateway.isRunning()).toBe(false)
  expect(() => systemctl('start', 'openclaw-gateway.service')).toThrow(/masked/)
  // As after a restart of the agent: a masked unit is found, and remembered is what it was.
  const later = await detectGateway(site(port))
  expect(later.kind).toBe('user-unit')
  await expect(later.start(layout(port))).rejects.toMatchObject({ code: 'openclaw-unhealthy' })

  const remembered = JSON.parse(JSON.stringify(await gateway.remember())) as unknown
  const again = await detectGateway(site(port), remembered)
  await again.unmask()
  await again.unmask()
  await again.start(layout(port))
  expect(await again.waitReady(layout(port), 15_000)).toBe(true)
  await again.stop()
}, 60_000)

test('a unit of the account is found where the session does not say where its manager listens', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const port = await freePort()
  writeFileSync(unitFile, unitText(port))
  systemctl('daemon-reload')
  // A /run of its own: that of this machine stays as it is.
  const asks = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/user
ln -s ${path.join(dir, 'run')} /run/user/$(id -u)
exec ${process.execPath} --input-type=module -e "$PROGRAM"
`
  const program = `
import { findUnit } from ${JSON.stringify(new URL('gateway-unit.ts', import.meta.url).href)}
console.log(JSON.stringify(await findUnit(${JSON.stringify(site(port))})))
`
  const { XDG_RUNTIME_DIR: _, DBUS_SESSION_BUS_ADDRESS: __, ...rest } = process.env
  const env = { ...rest, PROGRAM: program }
  const said = execFileSync('unshare', ['-m', 'sh', '-c', asks], { env, encoding: 'utf8' })
  expect(JSON.parse(said)).toEqual({
    kind: 'user-unit',
    unit: 'openclaw-gateway.service',
    file: unitFile,
  })
}, 60_000)

test('a unit whose port does not fit the new layout is written anew by OpenClaw before the start', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const [was, is] = [await freePort(), await freePort()]
  writeFileSync(unitFile, unitText(was))
  systemctl('daemon-reload')
  const bin = path.join(dir, 'openclaw-command')
  const install = `import { writeFileSync } from 'node:fs'
const at = process.argv.indexOf('--port')
if (process.argv.slice(2, 5).join(' ') !== 'gateway install --force') process.exit(2)
writeFileSync(${JSON.stringify(unitFile)}, ${JSON.stringify(unitText(0))}.replace('--port 0', '--port ' + process.argv[at + 1]))
`
  writeFileSync(`${bin}.mjs`, install)
  writeFileSync(bin, `#!/bin/sh\nexec node ${bin}.mjs "$@"\n`, { mode: 0o755 })
  const gateway = await detectGateway(site(was, bin))
  const remembered = JSON.parse(JSON.stringify(await gateway.remember())) as unknown
  await gateway.start(layout(is))
  expect(await gateway.waitReady(layout(is), 15_000)).toBe(true)

  // And on the way back for the port that it had.
  const back = await detectGateway(site(is, bin), remembered)
  await back.stop()
  await back.start(layout(is), 'as-before')
  expect(await back.waitReady(layout(was), 15_000)).toBe(true)
  await back.stop()
}, 60_000)

const left = (folder: string): readonly string[] =>
  existsSync(folder) ? [folder, ...readdirSync(folder, { recursive: true }).map(String)] : []

test('a unit that pins another port than the configuration has is started again as it was', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const [pinned, configured] = [await freePort(), await freePort()]
  writeFileSync(unitFile, unitText(pinned))
  systemctl('daemon-reload')
  const gateway = await detectGateway(site(configured))
  await gateway.start(layout(configured), 'as-before')
  expect(await gateway.waitReady(layout(pinned), 15_000)).toBe(true)
  await gateway.stop()
  expect(readFileSync(unitFile, 'utf8')).toBe(unitText(pinned))
}, 60_000)

test('where nothing has run OpenClaw makes the unit at the first start, and taken back it leaves nothing', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  rmSync(path.join(home, '.config'), { recursive: true, force: true })
  systemctl('daemon-reload')
  const port = await freePort()
  const bin = path.join(dir, 'openclaw-new')
  const install = `import { mkdirSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
mkdirSync(${JSON.stringify(path.dirname(unitFile))}, { recursive: true })
writeFileSync(${JSON.stringify(unitFile)}, ${JSON.stringify(unitText(port))})
for (const args of [['daemon-reload'], ['enable', '--now', 'openclaw-gateway.service']])
  execFileSync('systemctl', ['--user', ...args])
`
  writeFileSync(`${bin}.mjs`, install)
  writeFileSync(bin, `#!/bin/sh\nexec node ${bin}.mjs "$@"\n`, { mode: 0o755 })
  const unit = 'openclaw-gateway.service'
  const folder = path.dirname(unitFile)
  const made = [`${folder}/default.target.wants`, folder, path.dirname(folder)]
  const memory = { kind: 'user-unit', unit, file: unitFile, made: [...made, `${home}/.config`] }
  const first = await detectGateway(site(port, bin), memory)
  expect([first.isNew, await first.isRunning()]).toEqual([true, false])
  await first.mask()
  await first.unmask()
  await first.start(layout(port))
  expect(await first.waitReady(layout(port), 15_000)).toBe(true)

  // As after a restart of the agent.
  const remembered = JSON.parse(JSON.stringify(await first.remember())) as unknown
  const later = await detectGateway(site(port, bin), remembered)
  await later.stop()
  await later.mask()
  await later.mask()
  expect(left(`${home}/.config`)).toEqual([])
  expect(() => systemctl('start', unit)).toThrow(/not found/)
  await first.unmask()
  expect(left(`${home}/.config`)).toEqual([])
  // The way back may fail, too; then it is there again, also where it did not run.
  await later.unmask()
  expect(systemctl('show', unit, '-p', 'LoadState')).toBe('LoadState=loaded\n')
  expect(readFileSync(`${folder}/default.target.wants/${unit}`, 'utf8')).toBe(unitText(port))
  expect(await later.isRunning()).toBe(false)
  await later.start(layout(port))
  expect(await later.waitReady(layout(port), 15_000)).toBe(true)
  await later.stop()
}, 60_000)
