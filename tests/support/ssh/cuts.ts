/**
 * A lease that is cut at each of its steps: the connection is gone, as when a network ends, or ssh itself is killed.
 * Nothing may be left of it anywhere, and the node's job waits for the next.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, realpathSync, rmSync, chmodSync, writeFileSync } from 'node:fs'
import { type Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Job, SshLease, SshLent } from '@ocm/protocol'
import { type Fleet, startFleet } from '../fleet.ts'
import { standIn } from '../moves/stand-in.ts'
import { until } from '../until.ts'
import { childrenOf, openclawAccount, own, processesOf } from './accounts.ts'
import { type TestLender, connectionTo, logInAs, password } from './lender.ts'
import { type Account, type TestSshd, startSshd } from './sshd.ts'

const WORD = 'password-of-a-cut-account-1'
/** By when a lease that was cut is to be over. */
const RELEASED_MS = 5_000
/** Of the home: more than a pipe, a window and all buffers of ssh hold, so that a cut in the middle is one. */
const BULK = 16 * 1024 * 1024

export type CutAt = (typeof CUTS)[number]['at']

/** The steps of a lease, and what is said when it is cut there. `ended`: of a job, when it was lent for again. */
export const CUTS = [
  { at: 'dialling', lease: 'ssh-unreachable' },
  { at: 'handshake', lease: 'ssh-unreachable' },
  { at: 'stage 0', lease: 'ssh-unreachable' },
  { at: 'bundle', lease: 'ssh-unreachable' },
  { at: 'preface', lease: 'ssh-unreachable' },
  { at: 'joined', lease: 'released' },
  { at: 'capture', lease: 'link-lost', job: 'asks', ended: 'done' },
  // What opens the snapshot was in the memory of the agent that is gone: the node stays as it was.
  { at: 'staging', lease: 'link-lost', job: 'asks', ended: 'job-cut-off' },
  { at: 'end', lease: 'released', job: 'done', ended: 'done' },
] as const

export const CUT_HOW = ['connection', 'client'] as const
export type CutHow = (typeof CUT_HOW)[number]

export interface Cut {
  /** From the cut to the end of the lease. */
  readonly ms: number
  readonly lease: SshLease
  /** What became of the job at once: it asks for the node, or its state; undefined when there was none. */
  readonly job: string | undefined
  /** Processes, files and rooms that are left, each in words. */
  readonly left: readonly string[]
  /** How the job ended when it was lent for again: its state, or the code of its error. */
  readonly ended: string | undefined
}

export interface CutScene {
  play(at: CutAt, how: CutHow): Promise<Cut>
  readonly fleet: Fleet
  readonly lender: TestLender
  readonly node: string
  /** Those that run now, when the first signal is sent: afterwards they are nobody's children. */
  killBorrowers(signal: 'STOP' | 'KILL'): void
  close(): Promise<void>
}

/** Between ssh and sshd: counts what goes by, and can end it or say nothing. */
async function startWire(port: number) {
  const ends = new Set<Socket>()
  const seen = { up: 0, down: 0, calls: 0, isMute: false }
  const server = createServer((from) => {
    seen.calls++
    ends.add(from)
    from.on('error', () => {})
    if (seen.isMute) return
    const to = connect(port, '127.0.0.1')
    ends.add(to)
    from.on('data', (bytes) => (seen.up += bytes.length))
    to.on('data', (bytes) => (seen.down += bytes.length))
    to.on('error', () => {})
    from.pipe(to).pipe(from)
    from.on('close', () => to.destroy())
    to.on('close', () => from.destroy())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    begin(isMute: boolean) {
      ends.clear()
      Object.assign(seen, { up: 0, down: 0, calls: 0, isMute })
    },
    cut() {
      for (const end of ends) end.destroy()
    },
    close: () => void server.close(),
  }
}

export async function startCutScene(): Promise<CutScene> {
  const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-ssh-cuts-')))
  chmodSync(ground, 0o755) // The account runs what stands in for OpenClaw.
  const sshd: TestSshd = await startSshd()
  const fleet = await startFleet(ground)
  const lender = await logInAs(fleet.hub.url, 'olivia')
  const wire = await startWire(sshd.port)
  const account = openclawAccount(sshd, { password: WORD })
  const bulk = join(account.home, '.openclaw/workspace/bulk')
  const refill = () => {
    writeFileSync(bulk, randomBytes(BULK))
    own(account)
  }
  const openclawBin = standIn(join(ground, 'stand-in'))
  const connection = connectionTo(sshd, account, { openclawBin, port: wire.port })
  const lent = (more: Partial<SshLent> = {}) => ({ connection, auth: password(WORD), ...more })
  const ticket = await fleet.operator.json<{ join: string }>('ticket', '--label', 'alpha')
  const first = await lender.lend(null, lent({ join: ticket.join }))
  if (first.node === null) throw new Error(JSON.stringify(first.problem))
  const node = first.node
  refill()
  await fleet.operator.ocm('backup', 'alpha')
  const [snapshot] = await fleet.operator.json<{ id: string }[]>('snapshots', 'alpha')
  await settled(first.id)
  const hub = fleet.hub.process.pid as number
  const before = entriesOf(account)

  async function settled(id: string): Promise<SshLease> {
    await until(async () => (await lender.get(id)).endedAt !== null, {
      timeoutMs: 20_000,
      what: 'the lease is over',
      everyMs: 20,
    })
    return lender.get(id)
  }
  const jobOf = (id: string) => lender.api<Job & { asks?: string[] }>('GET', `/jobs/${id}`)

  /** Begins what is to be at work when it is cut; answers its job. */
  async function workFor(at: CutAt): Promise<string | undefined> {
    if (at === 'staging') {
      writeFileSync(bulk, 'something else\n')
      own(account)
      // It follows the job to its end, whoever lends for it.
      restoring = fleet.operator.ocm('restore', 'alpha', snapshot?.id ?? '', '--yes')
      return undefined
    }
    if (at !== 'capture' && at !== 'end') return undefined
    refill()
    return (await lender.api<Job>('POST', '/jobs', { kind: 'backup', node })).id
  }
  let stopped: readonly number[] = []
  let restoring: ReturnType<Fleet['operator']['ocm']> | undefined

  const sshOf = () =>
    execFileSync('ps', ['-eo', 'pid=,pgid=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(ssh -F .*)$/.exec(line))
      .find((found) => found?.[3]?.includes(account.name))

  /** Answers at the moment that is meant. */
  async function reached(at: CutAt, logged: number, lending: Promise<SshLease>): Promise<void> {
    const { seen } = wire
    const come = (what: () => boolean | Promise<boolean>) =>
      until(what, { timeoutMs: 30_000, what: `it comes to ${at}`, everyMs: 2 })
    switch (at) {
      case 'dialling':
        return come(() => seen.calls > 0)
      case 'handshake':
        return come(() => seen.down > 100)
      case 'stage 0':
        return come(() => sshd.log().slice(logged).includes('Starting session: command'))
      case 'bundle':
        return come(() => seen.up > 100_000)
      case 'preface':
        return come(() => / -e eval/.test(processesOf(account)))
      case 'joined':
        return void (await lending)
      case 'capture':
        return come(() => seen.down > BULK / 4)
      case 'staging':
        return come(() => seen.up > BULK / 4)
      case 'end':
        return come(async () => (await lending) && seen.down > BULK)
    }
  }

  async function play(at: CutAt, how: CutHow): Promise<Cut> {
    if (at === 'bundle') {
      const state = join(account.home, '.local/state/ocm-agent')
      for (const name of readdirSync(state)) {
        if (name.startsWith('agent-')) rmSync(join(state, name))
      }
    }
    wire.begin(at === 'dialling')
    const logged = sshd.log().length
    let job = at === 'staging' ? undefined : await workFor(at)
    const issued = await lender.lease(node)
    const lending = lender.lendFor(issued, lent())
    lending.catch(() => undefined)
    if (at === 'staging') {
      await lending
      await workFor(at)
    }
    await reached(at, logged, lending)
    if (at === 'end' && job !== undefined) {
      const id = job
      await until(async () => (await jobOf(id)).state === 'done', {
        timeoutMs: 20_000,
        what: 'the job is done',
        everyMs: 20,
      })
    }
    const cutAt = performance.now()
    if (how === 'connection') wire.cut()
    else {
      const [, pid] = sshOf() ?? []
      if (pid === undefined) throw new Error('there is no ssh')
      process.kill(Number(pid), 'SIGKILL')
    }
    await until(async () => (await lender.get(issued.lease)).endedAt !== null, {
      timeoutMs: RELEASED_MS * 3,
      what: 'the lease is over',
      everyMs: 10,
    })
    const ms = performance.now() - cutAt
    const lease = await lender.get(issued.lease)
    wire.cut() // The other half, where ssh was killed.
    if (at === 'staging') {
      const all = await lender.api<Job[]>('GET', '/jobs')
      job = all.find(({ kind }) => kind === 'restore')?.id
    }
    const left = await leftovers()
    const state = job === undefined ? undefined : await jobOf(job)
    const now = state?.asks?.includes(node) === true ? 'asks' : state?.state
    if (job !== undefined && now !== 'done') {
      wire.begin(false)
      const again = await lender.lend(node, lent())
      const id = job
      await until(async () => ['done', 'failed'].includes((await jobOf(id)).state), {
        timeoutMs: 60_000,
        what: 'the job has ended',
      })
      await settled(again.id)
    }
    const last = job === undefined ? undefined : await jobOf(job)
    if (restoring) {
      await restoring
      restoring = undefined
    }
    const ended = last?.error?.code ?? last?.state
    return { ms, lease, job: now, left: [...left, ...leftAtHome()], ended }
  }

  const look = () => [
    ...lines(childrenOf(hub)).map((one) => `a child of the hub: ${one}`),
    ...(sshOf() ? ['an ssh'] : []),
    ...lines(processesOf(account)).map((one) => `of the account: ${one}`),
    ...roomsOf(fleet.hub.data).map((path) => `a room: ${path}`),
    ...lines(ownedIn(account)).map((one) => `a file: ${one}`),
  ]
  /** Looks until there is nothing, for as long as a lease may take to end. */
  async function leftovers(): Promise<readonly string[]> {
    const begun = performance.now()
    let found = look()
    while (found.length > 0 && performance.now() - begun < RELEASED_MS) {
      await pause(50)
      found = look()
    }
    return found
  }
  const leftAtHome = () =>
    entriesOf(account)
      .filter((name) => !before.includes(name))
      .map((name) => `at home: ${name}`)

  return {
    play,
    fleet,
    lender,
    node,
    killBorrowers(signal) {
      if (signal === 'STOP') {
        const pids = execFileSync('ps', ['-o', 'pid=', '--ppid', `${hub}`], { encoding: 'utf8' })
        stopped = pids.trim().split(/\s+/).map(Number)
      }
      for (const pid of stopped) process.kill(pid, `SIG${signal}`)
    },
    async close() {
      wire.close()
      await fleet.stop()
      await sshd.stop()
      rmSync(ground, { recursive: true, force: true })
    },
  }
}

/** What borrowers of the hub with this data have in memory. */
export function roomsOf(data: string): readonly string[] {
  const prefix = `ocm-ssh-${createHash('sha256').update(resolve(data)).digest('hex').slice(0, 16)}-`
  const places = new Set([process.env['XDG_RUNTIME_DIR'], '/dev/shm', tmpdir()])
  return [...places].flatMap((place) =>
    place === undefined
      ? []
      : readdirSync(place).flatMap((name) => (name.startsWith(prefix) ? [join(place, name)] : [])),
  )
}

const lines = (text: string) => (text === '' ? [] : text.split('\n'))

/** Beside what OpenClaw itself makes there. */
const ownedIn = ({ name, home }: Account) =>
  execFileSync(
    'sh',
    [
      '-c',
      'find /tmp /dev/shm -maxdepth 1 -user "$1" ! -path "$2" ! -name "*openclaw*" 2>/dev/null; exit 0',
      'sh',
      name,
      home,
    ],
    { encoding: 'utf8' },
  ).trim()

/** What lies in the account's home, but for the agent's own directory, of which only the names are looked at. */
const entriesOf = ({ home }: Account): readonly string[] =>
  execFileSync('find', [home, '-maxdepth', '2', '-not', '-name', '*.ocm-previous*'], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
