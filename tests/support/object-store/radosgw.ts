/**
 * A real S3 server for one test file: Ceph's RADOS gateway with one monitor and one store in memory, on ports of
 * loopback that were free, ended by their process ids. Without systemd, and as the account that Debian made for it.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'

const run = promisify(execFile)
const NEEDED = ['ceph-mon', 'ceph-osd', 'ceph', 'radosgw', 'radosgw-admin']

function isHere(program: string): boolean {
  try {
    accessSync(`/usr/bin/${program}`, constants.X_OK)
    return true
  } catch {
    return false // Named by whoever asks.
  }
}

/** Why these tests cannot run here; undefined when they can. */
export function whyNoRadosgw(): string | undefined {
  const missing = NEEDED.filter((program) => !isHere(program))
  if (missing.length === 0) return undefined
  return `there is no ${missing.join(', ')} (Debian: radosgw ceph-mon ceph-osd ceph-common)`
}

export interface TestRadosgw {
  readonly endpoint: string
  readonly port: number
  readonly region: string
  readonly keys: { readonly id: string; readonly secret: string }
  /** Nothing is answered any more, and nothing refused; `thaw` goes on where it was. */
  freeze(): void
  thaw(): void
  /** As a power cut would end it; what is stored stays. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Gone with all that it stored. */
  stop(): Promise<void>
}

const config = (ground: string, ports: { mon: number; gateway: number }) => `
[global]
fsid = ${randomUUID()}
mon host = v2:127.0.0.1:${ports.mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${ground}/keyring
run dir = ${ground}
log file = ${ground}/$name.log
admin socket =
mon data = ${ground}/mon
mon data avail warn = 1
mon data avail crit = 1
mon osd full ratio = .98
mon osd nearfull ratio = .96
mon osd backfillfull ratio = .97
mon allow pool size one = true
mon warn on pool no redundancy = false
# Each pool that the gateway makes waits for one of these rounds, of a second by default.
paxos propose interval = 0.05
paxos min wait = 0.01
osd data = ${ground}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
osd crush initial weight = 1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${ports.gateway} tcp_nodelay=1
rgw thread pool size = 32
# So that listings have pages in small buckets too.
rgw max listing results = 20
rgw data = ${ground}/rgw
rgw dns name =
rgw crypt require ssl = false
`

const CAPS = [
  ['client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *'],
  ['mon.', '--cap', 'mon', 'allow *'],
  ['client.rgw', '--cap', 'mon', 'allow rw', '--cap', 'osd', 'allow rwx'],
  ['osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
] as const

export async function startRadosgw(): Promise<TestRadosgw> {
  const ground = mkdtempSync(join(tmpdir(), 'ocm-radosgw-'))
  const at = (name: string) => join(ground, name)
  const account = accountOfCeph()
  const [mon, port] = [await freePort(), await freePort()]
  writeFileSync(at('ceph.conf'), config(ground, { mon, gateway: port }))
  for (const name of ['mon', 'osd', 'rgw']) mkdirSync(at(name))
  chmodSync(ground, 0o750)
  if (account) {
    for (const name of ['', 'ceph.conf', 'mon', 'osd', 'rgw']) {
      chownSync(at(name), account.uid, account.gid)
    }
  }
  const how = { ...account, env: { ...process.env, CEPH_CONF: at('ceph.conf') } }
  const tool = (name: string, ...args: readonly string[]) => run(name, args, how)
  const daemons = new Map<string, ChildProcess>()
  const launch = (name: string, ...args: readonly string[]) => {
    const child = spawn(name, ['-f', '-c', at('ceph.conf'), ...args], { ...how, stdio: 'ignore' })
    daemons.set(name, child)
  }
  const end = (name: string): Promise<void> => {
    const child = daemons.get(name)
    daemons.delete(name)
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      child.once('exit', () => resolve()).kill('SIGKILL')
    })
  }
  const startGateway = async () => {
    launch('radosgw', '-n', 'client.rgw')
    await until(() => answers(port), {
      timeoutMs: 60_000,
      what: `radosgw listens (${readTail(at('client.rgw.log'))})`,
    })
  }
  const stop = async () => {
    for (const name of [...daemons.keys()].toReversed()) await end(name)
    rmSync(ground, { recursive: true, force: true })
  }

  try {
    for (const [name, ...caps] of CAPS) {
      const made = name === 'client.admin' ? ['--create-keyring'] : []
      await tool('ceph-authtool', ...made, at('keyring'), '--gen-key', '-n', name, ...caps)
    }
    const { fsid } = /fsid = (?<fsid>\S+)/.exec(readFileSync(at('ceph.conf'), 'utf8'))?.groups ?? {}
    const map = ['--create', '--fsid', fsid ?? '', '--addv', 'a', `[v2:127.0.0.1:${mon}]`]
    await tool('monmaptool', ...map, at('monmap'))
    const keyring = ['--keyring', at('keyring')]
    await tool('ceph-mon', '--mkfs', '-i', 'a', '--monmap', at('monmap'), ...keyring)
    launch('ceph-mon', '-i', 'a')
    const osd = randomUUID()
    await tool('ceph', '--connect-timeout', '30', 'osd', 'new', osd, '0')
    await tool('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
    launch('ceph-osd', '-i', '0')
    await startGateway()
    const keys = { id: 'OCMTESTKEY', secret: randomBytes(20).toString('hex') }
    const user = ['--uid=ocm', '--display-name=ocm', `--access-key=${keys.id}`]
    await tool('radosgw-admin', 'user', 'create', ...user, `--secret-key=${keys.secret}`)
    const signal = (name: NodeJS.Signals) => void daemons.get('radosgw')?.kill(name)
    return {
      endpoint: `http://127.0.0.1:${port}`,
      port,
      region: 'default',
      keys,
      freeze: () => signal('SIGSTOP'),
      thaw: () => signal('SIGCONT'),
      kill: () => end('radosgw'),
      start: startGateway,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Ceph's own, where root would have to be it; whoever else runs the tests is good enough. */
function accountOfCeph(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  return { uid: idOfCeph('-u'), gid: idOfCeph('-g') }
}

const idOfCeph = (of: string) => Number(execFileSync('id', [of, 'ceph'], { encoding: 'utf8' }))

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

function readTail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-300)
  } catch {
    return 'it has logged nothing' // It has not begun.
  }
}
