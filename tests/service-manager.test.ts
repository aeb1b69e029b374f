/** A service manager that listens is told when the hub and an agent are up, that they go on, and when they end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startFleet } from './support/fleet.ts'
import { managedAccount } from './support/moves/user-manager.ts'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { joinAgent, programOf } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

const ground = freshMachine('service-manager')
/** Node has no datagram sockets; prints what arrives on those that it is given, a line each. */
const LISTENER = `
import socket, sys, selectors
all = selectors.DefaultSelector()
for path in sys.argv[1:]:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(path)
    all.register(one, selectors.EVENT_READ, path.rsplit('/', 1)[1])
print('listening', flush=True)
while True:
    for key, _ in all.select():
        print(key.data, key.fileobj.recv(4096).decode().replace('\\n', ' '), flush=True)
`
const sockets = { hub: join(ground, 'of-hub'), agent: join(ground, 'of-agent') }
const ask = (socket: string) => ({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '900000' })
const canListen = spawnSync('python3', ['-c', '']).status === 0
const canTell = spawnSync('systemd-notify', ['--version']).status === 0

let listener: ChildProcess | undefined
let heard = ''
const hears = (what: RegExp) =>
  until(() => what.test(heard), { timeoutMs: 15_000, what: `${what} is said` })

beforeAll(async () => {
  if (!canListen) return
  listener = spawn('python3', ['-c', LISTENER, sockets.hub, sockets.agent], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  listener.stdout?.on('data', (part: Buffer) => {
    heard += part.toString()
  })
  await hears(/listening/)
})
afterAll(() => {
  listener?.kill()
  rmSync(ground, { recursive: true, force: true })
})

test('hub and agent say when they are up, that they go on, and when they end', async (context) => {
  if (!canListen || !canTell) return context.skip('needs python3 and systemd-notify')
  for (const [name, value] of Object.entries(ask(sockets.hub))) vi.stubEnv(name, value)
  const fleet = await startFleet(ground)
  vi.unstubAllEnvs()
  try {
    await hears(/^of-hub READY=1/m)
    const home = smallHome(join(ground, 'home'), 28_961)
    await fleet.enrol('told', home, ground, undefined, { env: ask(sockets.agent) })
    await hears(/^of-agent READY=1/m)
    // The agent starts itself again for its memory: what it was asked for has to come through.
    await hears(/^of-agent WATCHDOG=1[^]*^of-agent WATCHDOG=1/m)
    await hears(/^of-hub WATCHDOG=1/m)
    expect(heard).not.toMatch(/STOPPING/)
  } finally {
    await fleet.stop()
  }
  await hears(/^of-agent STOPPING=1/m)
  await hears(/^of-hub STOPPING=1/m)
})

const isRoot = process.getuid?.() === 0 && existsSync('/lib/systemd/systemd')

test('systemd holds an agent for started when it says so, and starts one that hangs again', async (context) => {
  if (!isRoot || !canTell) return context.skip('needs root and systemd')
  const machine = freshMachine('service-manager-unit')
  const home = smallHome(join(machine, 'home'), 28_965)
  const managed = await managedAccount('ocm-told', home, join(machine, 'manager'))
  const fleet = await startFleet(machine)
  try {
    const place = { state: join(home, '.local/state/ocm-agent'), home, openclaw: OPENCLAW }
    const { join: ticket } = await fleet.operator.json<{ join: string }>('ticket', '--label', 'u')
    expect(await joinAgent(place, ticket, managed.under)).toMatchObject({ code: 0 })
    const text = readFileSync(new URL('../deploy/ocm-agent.service', import.meta.url), 'utf8')
    const run = `${process.execPath} ${programOf('ocm-agent')} run --openclaw-bin ${OPENCLAW}`
    const units = join(home, '.config/systemd/user')
    mkdirSync(join(units, 'ocm-agent.service.d'), { recursive: true })
    writeFileSync(
      join(units, 'ocm-agent.service'),
      text.replace(/^ExecStart=.*$/m, `ExecStart=${run}`),
    )
    // Less patient than it ships, so that nobody waits for minutes here.
    const hasty = '[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\nRestartSec=0\n'
    writeFileSync(join(units, 'ocm-agent.service.d', 'hasty.conf'), hasty)
    managed.systemctl('daemon-reload')
    // Of a unit of this type it answers when the agent has said that it is ready, and fails when it does not.
    managed.systemctl('start', 'ocm-agent')
    const shown = (name: string) =>
      managed.systemctl('show', 'ocm-agent', '-p', name, '--value').trim()
    expect([shown('ActiveState'), shown('SubState')]).toEqual(['active', 'running'])
    const first = Number(shown('MainPID'))
    process.kill(first, 'SIGSTOP')
    await until(() => shown('NRestarts') === '1' && shown('ActiveState') === 'active', {
      timeoutMs: 20_000,
      what: 'systemd starts it again',
    })
    expect(Number(shown('MainPID'))).not.toBe(first)
    managed.systemctl('stop', 'ocm-agent')
    expect(shown('Result')).toBe('success')
  } finally {
    await fleet.stop()
    await managed.stop()
    rmSync(machine, { recursive: true, force: true })
  }
})
