import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitUntil } from '../openclaw/gateway-watch.ts'
import { settle } from './settle.ts'
import { unitText } from './unit.ts'

/** A service manager of this home's own: `systemd --user` where it believes that systemd booted the machine. */
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
// Letters that a shell and systemd read otherwise, as a directory may be called.
const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm settle %h$')))
const home = path.join(dir, 'home')
const stateDir = path.join(home, '.local/state/ocm-agent')
const group = `ocm-settle-${process.pid}`
const before = process.env['XDG_RUNTIME_DIR']
let manager: ChildProcess | undefined

/** Writes down how it was run, and stays. */
const PROGRAM = `
import { writeFileSync } from 'node:fs'
const args = process.argv.slice(2)
if (args[0] === '--version') process.exit(0)
writeFileSync(args[2] + '/ran.json', JSON.stringify(args))
setInterval(() => undefined, 1000)
`
const URLS = ['http://192.0.2.7:8001']
const program = path.join(stateDir, 'agent-of-one-job.mjs')
const partsIn = (where: string, told: (readonly string[])[] = []) => ({
  stateDir,
  home: where,
  account: where,
  program,
  rehome: (urls: readonly string[]) => Promise.resolve(void told.push(urls)),
})

beforeAll(async () => {
  mkdirSync(stateDir, { recursive: true })
  writeFileSync(program, PROGRAM)
  mkdirSync(path.join(dir, 'run'), { mode: 0o700 })
  process.env['XDG_RUNTIME_DIR'] = path.join(dir, 'run')
  if (process.getuid?.() !== 0 || !existsSync('/lib/systemd/systemd')) return
  const env = {
    NAME: group,
    HOME: home,
    XDG_RUNTIME_DIR: path.join(dir, 'run'),
    PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
  }
  manager = spawn('unshare', ['-m', 'sh', '-c', MANAGER], { env, stdio: 'ignore' })
  await waitUntil(isManaged, 10_000)
})

afterAll(async () => {
  if (manager?.exitCode === null) {
    manager.kill('SIGTERM')
    await once(manager, 'exit')
  }
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
  else process.env['XDG_RUNTIME_DIR'] = before
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

const rest = (text: string) => text.replaceAll(/^(#.*|ExecStart=.*)\n/gm, '')

test('the unit is the one of deploy/, but for what it runs', () => {
  const deployed = readFileSync(
    new URL('../../../../deploy/ocm-agent.service', import.meta.url),
    'utf8',
  )
  const made = unitText({ node: 'node', program: 'p', stateDir: 's', home: 'h' })
  expect(rest(made)).toBe(rest(deployed))
})

test.each(['/home/a\nExecStartPre=/bin/id', '/home/a\rb', '/home/\0'])(
  'no path becomes a line of the unit: %j',
  (at) => {
    const wish = { node: 'node', program: 'p', stateDir: 's', home: '/h' }
    expect(() => unitText({ ...wish, home: at })).toThrow(/not well-formed/)
    expect(() => unitText({ ...wish, openclawBin: at })).toThrow(/not well-formed/)
  },
)

test('an agent settles: its program and its unit are there, and it runs on its own state directory', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const told: (readonly string[])[] = []
  expect(await settle(partsIn(home, told), URLS)).toEqual({ lingers: false })
  expect(told).toEqual([URLS])
  const file = path.join(home, '.local/share/ocm-agent/ocm-agent.mjs')
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([PROGRAM, 0o700])
  const ran = path.join(stateDir, 'ran.json')
  await waitUntil(() => existsSync(ran) && readFileSync(ran, 'utf8') !== '', 15_000)
  expect(JSON.parse(readFileSync(ran, 'utf8'))).toEqual([
    'run',
    '--state',
    stateDir,
    '--openclaw-home',
    home,
  ])
  // Once more: an update, and no second agent.
  rmSync(ran)
  await settle(partsIn(home), URLS)
  await waitUntil(() => existsSync(ran), 15_000)
  const wants = ['--user', 'show', 'default.target', '-p', 'Wants', '--value']
  expect(execFileSync('systemctl', wants, { encoding: 'utf8' })).toContain('ocm-agent.service')
}, 60_000)

test('a program that does not run is not started', async (context) => {
  if (!isManaged()) return context.skip('needs root and systemd --user')
  const broken = path.join(dir, 'broken.mjs')
  writeFileSync(broken, 'this is no program')
  const told: (readonly string[])[] = []
  const parts = { ...partsIn(path.join(dir, 'elsewhere'), told), program: broken }
  await expect(settle(parts, URLS)).rejects.toMatchObject({ code: 'agent-not-installed' })
  expect(told).toEqual([])
  expect(existsSync(path.join(dir, 'elsewhere/.config'))).toBe(false)
})

test('without a service manager of the account it says so, and changes nothing', async () => {
  const was = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = path.join(dir, 'nobody-listens-here')
  const told: (readonly string[])[] = []
  try {
    const settling = settle(partsIn(path.join(dir, 'nowhere'), told), URLS)
    await expect(settling).rejects.toMatchObject({ code: 'user-manager-missing' })
  } finally {
    process.env['XDG_RUNTIME_DIR'] = was
  }
  expect([told, existsSync(path.join(dir, 'nowhere'))]).toEqual([[], false])
})
