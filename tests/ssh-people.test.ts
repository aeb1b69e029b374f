/** What an operator does with a node that has no agent: a real sshd with real accounts, a real hub, and `ocm` itself. */
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Job, NodeState, SshLease } from '@ocm/protocol'
import { hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type Operator, type RunningHub, operatorAt, startHub } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { until } from './support/until.ts'

const SECRET = 'correct horse of this account'
const lasting = ({ state }: SshLease) => state !== 'released' && state !== 'failed'

describe.skipIf(whyNoSshd() !== undefined)('a node without an agent', () => {
  let sshd: TestSshd
  let account: Account
  let hub: RunningHub
  let ada: Operator
  let desk: string
  let fingerprint: string
  const agents: ChildProcess[] = []
  const secret = (name: string, text: string) => {
    const path = join(desk, name)
    writeFileSync(path, `${text}\n`, { mode: 0o600 })
    return path
  }

  beforeAll(async () => {
    sshd = await startSshd()
    account = sshd.account({ password: SECRET })
    smallHome(account.home, 28_871)
    // Where a login that is not interactive does not look.
    mkdirSync(join(account.home, '.local/bin'), { recursive: true })
    symlinkSync(process.execPath, join(account.home, '.local/bin/node'))
    execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, account.home])
    hub = await startHub(join(freshMachine('ssh-people-hub'), 'data'))
    desk = freshMachine('ssh-people')
    ada = operatorAt(desk, hub.url)
    const at = join(desk, 'ssh-password')
    Object.assign(ada.env, { OCM_SSH_PASSWORD_FILE: at })
    secret('ssh-password', SECRET)
    await ada.ocm('setup', hub.setupLink, '--name', 'ada', '--yes')
    fingerprint = hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')
  })
  afterAll(async () => {
    for (const agent of agents) agent.kill()
    await hub?.stop()
    await sshd?.stop()
  })

  const destination = () => `${account.name}@127.0.0.1:${sshd.port}`
  const leases = () => ada.json<SshLease[]>('leases')
  const add = (...more: readonly string[]) =>
    ada.ocm(
      'nodes',
      'add',
      destination(),
      '--label',
      'kitchen',
      '--openclaw-bin',
      OPENCLAW,
      ...more,
    )

  test('is not added before somebody has compared its host key', async () => {
    const answer = await add('--yes', '--json')
    expect(answer.code).toBe(2)
    expect(answer.out).toContain('--host-key')
    const wrong = await add('--host-key', `SHA256:${'A'.repeat(43)}`, '--json')
    expect(JSON.parse(wrong.out)).toMatchObject({ code: 'ssh-host-key-changed' })
    expect(await ada.json<NodeState[]>('nodes')).toEqual([])
    expect(sshd.log()).not.toContain('Accepted')
  })

  test('is added, confirmed, and nothing is on loan afterwards', async () => {
    const answer = await add('--host-key', fingerprint)
    expect(answer).toMatchObject({ code: 0 })
    const [node] = await ada.json<NodeState[]>('nodes')
    expect(node).toMatchObject({ label: 'kitchen', reach: 'ssh', confirmed: true })
    expect((await leases()).filter(lasting)).toEqual([])
  })

  test('is backed up: what is lent is asked for, and given back', async () => {
    const job = await ada.json<Job>('backup', 'kitchen')
    expect(job).toMatchObject({ kind: 'backup', state: 'done' })
    expect((await leases()).filter(lasting)).toEqual([])
  })

  test('says which credential was refused, and changes nothing', async () => {
    secret('ssh-password', 'not the password')
    try {
      const answer = await ada.ocm('backup', 'kitchen', '--json')
      expect(answer.code).toBe(1)
      expect(JSON.parse(answer.out)).toMatchObject({ code: 'ssh-auth-failed' })
      expect((await leases()).filter(lasting)).toEqual([])
    } finally {
      secret('ssh-password', SECRET)
    }
  })

  test('takes no credential from a file that others can read', async () => {
    chmodSync(join(desk, 'ssh-password'), 0o644)
    try {
      const answer = await ada.ocm('backup', 'kitchen', '--json')
      expect(JSON.parse(answer.out)).toMatchObject({ code: 'secret-file-exposed' })
    } finally {
      chmodSync(join(desk, 'ssh-password'), 0o600)
    }
  })

  test('is lent for, and the loan is ended by hand', async () => {
    const lease = await ada.json<SshLease>('lend', 'kitchen')
    expect(lease).toMatchObject({ state: 'connected', by: 'ada' })
    const [ended] = await ada.json<SshLease[]>('leases', 'end', 'kitchen')
    expect(ended).toMatchObject({ id: lease.id, state: 'released', held: false })
    const again = await ada.ocm('leases', 'end', 'kitchen', '--json')
    expect(JSON.parse(again.out)).toMatchObject({ code: 'not-found' })
  })

  test('is asked what is there for a plan, and let go afterwards', async () => {
    const plan = await ada.json<{ hash: string }>('plan', 'restore', 'kitchen', 'latest')
    expect(plan.hash).toMatch(/^[0-9a-f]{64}$/)
    expect((await leases()).filter(lasting)).toEqual([])
  })

  test('is a hard stop when its host shows another key, until that is compared and approved', async () => {
    await sshd.changeHostKey()
    const before = sshd.log().length
    const answer = await ada.ocm('backup', 'kitchen', '--json')
    expect(JSON.parse(answer.out)).toMatchObject({ code: 'ssh-host-key-changed' })
    expect(sshd.log().slice(before)).not.toMatch(/Accepted|Failed password/)
    const shown = execFileSync('ssh-keygen', ['-lf', join(sshd.ground, 'host.pub')], {
      encoding: 'utf8',
    }).split(' ')[1]
    const anew = ['nodes', 'ssh', 'kitchen', '--look-again', '--host-key', shown ?? '']
    expect(await ada.ocm(...anew)).toMatchObject({ code: 0 })
    expect(await ada.json<Job>('backup', 'kitchen')).toMatchObject({ state: 'done' })
  })

  test('keeps its credential sealed to the vault when that is wanted', async () => {
    expect(await ada.ocm('nodes', 'ssh', 'kitchen', '--keep-credential')).toMatchObject({ code: 0 })
    secret('ssh-password', 'asked for no more')
    expect(await ada.json<Job>('backup', 'kitchen')).toMatchObject({ state: 'done' })
    secret('ssh-password', SECRET)
    expect(await ada.ocm('nodes', 'ssh', 'kitchen', '--drop-credential')).toMatchObject({ code: 0 })
  })

  test('is delegated only with its price in words, and the delegation is taken back', async () => {
    const answer = await ada.ocm('nodes', 'delegate', 'kitchen', '--yes')
    expect(answer).toMatchObject({ code: 0 })
    expect(answer.err).toContain('whoever reads that disk')
    const shown = await ada.json<{ delegation: { by: string } }>('nodes', 'ssh', 'kitchen')
    expect(shown.delegation.by).toBe('ada')
    secret('ssh-password', 'nobody asks for it')
    expect(await ada.json<Job>('backup', 'kitchen')).toMatchObject({ state: 'done' })
    secret('ssh-password', SECRET)
    expect(await ada.ocm('nodes', 'delegate', 'kitchen', '--end')).toMatchObject({ code: 0 })
  })

  test('is dialled from the operator’s own machine, with keys that are lent to nobody', async () => {
    const socket = join(desk, 'agent.sock')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    agents.push(agent)
    await until(() => existsSync(socket), { timeoutMs: 5000, what: 'the ssh-agent listens' })
    const env = { SSH_AUTH_SOCK: socket }
    execFileSync('ssh-add', ['-q', '-'], { input: sshd.key(account), env, stdio: 'pipe' })
    Object.assign(ada.env, env)
    const answer = await ada.ocm('dial', 'kitchen', '--backup')
    expect(answer).toMatchObject({ code: 0 })
    expect(answer.out).toContain('Snapshot')
    expect((await leases()).filter(lasting)).toEqual([])
  })

  test('is forgotten: nothing of it is left there, and it is retired', async () => {
    const state = join(account.home, '.local/state/ocm-agent')
    expect(existsSync(state)).toBe(true)
    expect(await ada.ocm('nodes', 'forget', 'kitchen', '--yes')).toMatchObject({ code: 0 })
    expect(existsSync(state)).toBe(false)
    expect(readdirSync(join(account.home, '.local/state'))).toEqual([])
    const [node] = await ada.json<NodeState[]>('nodes')
    expect(node).toMatchObject({ label: 'kitchen', state: 'revoked' })
  })
})
