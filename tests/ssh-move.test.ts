/**
 * A node moves to one that has no agent, and back, and is cloned and restored there: a real hub, `ocm` and sshd with real
 * accounts, a gateway that stands in for OpenClaw, and a Telegram that counts who polls.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Job, type NodeState, type SshLease, hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { JOBS, TOKEN, jobsAt, movedHome } from './support/moves/moved-home.ts'
import { standIn } from './support/moves/stand-in.ts'
import { type Telegram, startTelegram } from './support/moves/telegram.ts'
import { gatewayPid } from './support/node-state.ts'
import { isReady, openclawEnv } from './support/openclaw.ts'
import { freePort } from './support/free-port.ts'
import { logInAs } from './support/ssh/lender.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { until } from './support/until.ts'

const SECRET = 'password-of-an-account-0001'
const LONG = { timeoutMs: 60_000, everyMs: 100 }
const sorted = JOBS.toSorted()

const tombstone = (home: string) => existsSync(join(home, '.openclaw.ocm-fenced.json'))
const tokenOf = (home: string) =>
  (
    JSON.parse(readFileSync(join(home, '.openclaw/openclaw.json'), 'utf8')) as {
      gateway: { auth: { token: string } }
    }
  ).gateway.auth.token

describe.skipIf(whyNoSshd() !== undefined)('a node and one without an agent', () => {
  let ground: string
  let sshd: TestSshd
  let fleet: Fleet
  let telegram: Telegram
  let openclaw: string
  let desk: string
  const ports = { desk: 0, shed: 0, loft: 0 }
  const accounts = {} as Record<'shed' | 'loft', Account>

  beforeAll(async () => {
    ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-ssh-move-')))
    chmodSync(ground, 0o755) // The accounts run the stand-in.
    ;[sshd, telegram] = await Promise.all([startSshd(), startTelegram()])
    for (const name of ['desk', 'shed', 'loft'] as const) ports[name] = await freePort()
    openclaw = standIn(join(ground, 'stand-in'))
    desk = movedHome(join(ground, 'desk', 'ada'), ports.desk, telegram.url)
    fleet = await startFleet(ground)
    const secret = join(ground, 'ssh-password')
    writeFileSync(secret, `${SECRET}\n`, { mode: 0o600 })
    Object.assign(fleet.operator.env, { OCM_SSH_PASSWORD_FILE: secret })
    await fleet.enrol('desk', desk, ground, openclaw)
    for (const label of ['shed', 'loft'] as const) accounts[label] = await addNode(label)
    // As whoever sits there runs it.
    spawn(process.execPath, [openclaw, 'gateway', 'run', '--port', String(ports.desk)], {
      cwd: desk,
      env: openclawEnv(desk),
      detached: true,
      stdio: 'ignore',
    }).unref()
  })

  afterAll(async () => {
    await fleet?.stop()
    const pid = desk === undefined ? undefined : gatewayPid(desk)
    if (pid !== undefined) process.kill(pid, 'SIGTERM')
    await sshd?.stop() // And what its accounts run.
    telegram?.close()
    rmSync(ground, { recursive: true, force: true })
  })

  async function addNode(label: string): Promise<Account> {
    const account = sshd.account({ password: SECRET })
    mkdirSync(join(account.home, '.local/bin'), { recursive: true })
    symlinkSync(process.execPath, join(account.home, '.local/bin/node'))
    execFileSync('chown', ['-R', '-h', `${account.uid}:${account.gid}`, account.home])
    const destination = `${account.name}@127.0.0.1:${sshd.port}`
    const key = hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')
    const words = ['--label', label, '--openclaw-bin', openclaw, '--host-key', key]
    await fleet.operator.json('nodes', 'add', destination, ...words)
    return account
  }

  const ocm = <T = Job>(...words: readonly string[]) => fleet.operator.json<T>(...words)
  const node = async (label: string) =>
    (await ocm<NodeState[]>('nodes')).find((one) => one.label === label) as NodeState
  const newestOfLoft = async () => (await node('loft')).lastSnapshot?.id
  const speaksAlone = (port: number, what: string) =>
    until(async () => (await isReady(port)) && telegram.pollers(TOKEN) === 1, { ...LONG, what })

  /** Nothing on loan, nothing that runs but a gateway, nothing that belongs to somebody else. */
  async function leavesNothing(account: Account): Promise<void> {
    const leases = await ocm<SshLease[]>('leases')
    expect(leases.filter(({ endedAt }) => endedAt === null)).toEqual([])
    const running = () =>
      execFileSync(
        'sh',
        [
          '-c',
          'ps -o stat=,args= -u "$1" | grep -v "^Z" | grep -v "gateway run"; exit 0',
          'sh',
          account.name,
        ],
        { encoding: 'utf8' },
      )
    await until(() => running() === '', { timeoutMs: 5_000, what: 'nothing of ours runs there' })
    const owned = ['find', account.home, '!', '-user', account.name]
    expect(execFileSync(owned[0] as string, owned.slice(1), { encoding: 'utf8' })).toBe('')
  }

  it('move to it: it speaks there, once, as its account, and its session is over', async () => {
    await speaksAlone(ports.desk, 'desk speaks')
    telegram.forget()
    expect(await ocm('move', 'desk', 'shed', '--port', String(ports.shed))).toMatchObject({
      kind: 'move',
      state: 'done',
    })
    await speaksAlone(ports.shed, 'shed speaks')
    expect(await isReady(ports.desk)).toBe(false)
    expect(telegram.most(TOKEN)).toBe(1)
    const { home, uid } = accounts.shed
    expect(jobsAt(home)).toEqual(sorted)
    const pid = gatewayPid(home, join(home, '.openclaw'), uid)
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(
      new RegExp(`^Uid:\\s+${uid}\\s`, 'm'),
    )
    expect(tombstone(desk)).toBe(true)
    expect((await node('desk')).movedTo).toBe((await node('shed')).id)
    await leavesNothing(accounts.shed)
  })

  it('move back from it, with what was written there meanwhile', async () => {
    const notes = '.openclaw/workspace/MEMORY.md'
    writeFileSync(join(accounts.shed.home, notes), '# Memory\nof the shed\n')
    expect(await ocm('move', 'shed', 'desk', '--port', String(ports.desk))).toMatchObject({
      state: 'done',
    })
    await speaksAlone(ports.desk, 'desk speaks again')
    expect(await isReady(ports.shed)).toBe(false)
    expect(telegram.most(TOKEN)).toBe(1)
    expect(jobsAt(desk)).toEqual(sorted)
    expect(readFileSync(join(desk, notes), 'utf8')).toContain('of the shed')
    expect([tombstone(accounts.shed.home), tombstone(desk)]).toEqual([true, false])
    await leavesNothing(accounts.shed)
  })

  it('clone onto it: another identity, and silent', async () => {
    telegram.forget()
    const words = ['clone', 'desk', 'loft', '--port', String(ports.loft)]
    expect(await ocm(...words)).toMatchObject({ kind: 'clone', state: 'done' })
    await until(() => isReady(ports.loft), { ...LONG, what: 'the clone runs' })
    expect(telegram.most(TOKEN)).toBe(1)
    expect(tokenOf(accounts.loft.home)).not.toBe(tokenOf(desk))
    await leavesNothing(accounts.loft)
  })

  it('restore one: what it was, and it runs again', async () => {
    await ocm('backup', 'loft')
    const notes = join(accounts.loft.home, '.openclaw/workspace/MEMORY.md')
    const was = readFileSync(notes, 'utf8')
    writeFileSync(notes, 'spoilt\n')
    expect(await ocm('restore', 'loft', 'latest')).toMatchObject({ kind: 'restore', state: 'done' })
    expect(readFileSync(notes, 'utf8')).toBe(was)
    await until(() => isReady(ports.loft), { ...LONG, what: 'it runs again' })
    await leavesNothing(accounts.loft)
  })

  it('take that back: what was there before it is there again', async () => {
    const notes = join(accounts.loft.home, '.openclaw/workspace/MEMORY.md')
    expect(await ocm('undo', 'loft')).toMatchObject({ kind: 'undo', state: 'done' })
    expect(readFileSync(notes, 'utf8')).toBe('spoilt\n')
    await until(() => isReady(ports.loft), { ...LONG, what: 'it runs again' })
    await leavesNothing(accounts.loft)
  })

  it('compare both as they are now', async () => {
    const before = await newestOfLoft()
    const compared = await ocm<{ sides: { snapshot: string }[] }>('diff', 'desk', 'loft', '--fresh')
    expect(await newestOfLoft()).not.toBe(before)
    expect(compared.sides[1]?.snapshot).toBe(await newestOfLoft())
    await leavesNothing(accounts.loft)
  })

  it('take the move back: whoever was moved away runs again, as its account', async () => {
    telegram.forget()
    expect(await ocm('undo', 'desk')).toMatchObject({ kind: 'undo', state: 'done' })
    await speaksAlone(ports.shed, 'shed speaks once more')
    expect(telegram.most(TOKEN)).toBe(1)
    expect([tombstone(accounts.shed.home), tombstone(desk)]).toEqual([false, true])
    await leavesNothing(accounts.shed)
    // Asked over ssh as well: nothing holds it any more.
    const release = ['release', 'shed', '--target-is-off', '--yes', '--json']
    expect(JSON.parse((await fleet.operator.ocm(...release)).out)).toMatchObject({
      code: 'not-found',
      facts: { what: 'fence on this node' },
    })
  })

  it('back up one by itself, once that is delegated, and no longer than that', async () => {
    const lender = await logInAs(fleet.hub.url, 'olivia')
    const { id } = await node('loft')
    const began = () => lender.api<Job>('POST', '/jobs', { kind: 'backup', node: id })
    const now = (job: Job) => lender.api<Job & { asks?: string[] }>('GET', `/jobs/${job.id}`)
    await ocm('nodes', 'delegate', 'loft')
    const job = await began()
    await until(async () => (await now(job)).state === 'done', { ...LONG, what: 'it is done' })
    const [lease] = await ocm<SshLease[]>('leases')
    expect(lease).toMatchObject({ node: id, origin: 'delegated', held: false })
    await until(async () => (await ocm<SshLease[]>('leases')).every((one) => one.endedAt), {
      ...LONG,
      what: 'it is let go of',
    })
    await leavesNothing(accounts.loft)
    await ocm('nodes', 'delegate', 'loft', '--end')
    const asking = await began()
    await until(async () => (await now(asking)).asks?.[0] === id, {
      ...LONG,
      what: 'it asks for a credential again',
    })
    await lender.api('POST', `/jobs/${asking.id}/cancel`)
  })

  it('forget one: what was kept to go back to goes too, and it runs on', async () => {
    const { home } = accounts.loft
    const ours = () =>
      execFileSync('find', [home, '-maxdepth', '4', '-name', '*ocm-*'], { encoding: 'utf8' })
    // What was undone, as it was before that.
    expect(ours()).toContain('/.openclaw.ocm-')
    expect(await ocm('nodes', 'forget', 'loft', '--yes')).toMatchObject({ kept: 0 })
    expect(ours()).toBe('')
    expect(await isReady(ports.loft)).toBe(true)
  })
})
