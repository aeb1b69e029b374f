/** A node that was reached over ssh gets an agent of its own: a real sshd, a real `systemd --user`, the same node. */
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Job, NodeState, SnapshotState, SshLease } from '@ocm/protocol'
import { hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Managed, managedAccount } from './support/moves/user-manager.ts'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type Operator, type RunningHub, operatorAt, startHub } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { wordsIn, wordsInFiles } from './support/ssh/traces.ts'

const ACCOUNT = 'ocm-adopted'
const SECRET = 'the password of an account'
const isPossible = whyNoSshd() === undefined && existsSync('/lib/systemd/systemd')

describe.skipIf(!isPossible)('a node that is adopted', () => {
  let sshd: TestSshd
  let managed: Managed
  let hub: RunningHub
  let ada: Operator
  let runtime: string
  let home: string
  let before: NodeState

  beforeAll(async () => {
    sshd = await startSshd()
    const ground = freshMachine('ssh-adopt')
    home = smallHome(join(ground, 'home'), 28_873)
    mkdirSync(join(home, '.local/bin'), { recursive: true })
    symlinkSync(process.execPath, join(home, '.local/bin/node'))
    managed = await managedAccount(ACCOUNT, home, join(ground, 'manager'))
    execFileSync('chpasswd', { input: `${ACCOUNT}:${SECRET}\n` })
    // Where a login finds its service manager.
    runtime = `/run/user/${lstatSync(home).uid}`
    mkdirSync('/run/user', { recursive: true })
    rmSync(runtime, { recursive: true, force: true })
    symlinkSync(join(ground, 'manager/run'), runtime)

    hub = await startHub(join(freshMachine('ssh-adopt-hub'), 'data'))
    const desk = freshMachine('ssh-adopt-desk')
    writeFileSync(join(desk, 'ssh-password'), SECRET, { mode: 0o600 })
    ada = operatorAt(desk, hub.url, { OCM_SSH_PASSWORD_FILE: join(desk, 'ssh-password') })
    await ada.ocm('setup', hub.setupLink, '--name', 'ada', '--yes')
    const approved = hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')
    const where = [`${ACCOUNT}@127.0.0.1:${sshd.port}`, '--label', 'study']
    const how = ['--openclaw-bin', OPENCLAW, '--host-key', approved]
    // Whose --yes is refused where a host key is to be compared: everything here is named beforehand.
    await ada.json<NodeState>('nodes', 'add', ...where, ...how)
    await ada.json<Job>('backup', 'study')
    before = (await ada.json<NodeState[]>('nodes'))[0] as NodeState
  })
  afterAll(async () => {
    await managed?.stop()
    if (runtime) rmSync(runtime, { force: true })
    await hub?.stop()
    await sshd?.stop()
  })

  test('has an agent of its own afterwards, and nothing is on loan', async () => {
    const answer = await ada.ocm('nodes', 'adopt', 'study', '--yes')
    expect(answer).toMatchObject({ code: 0 })
    const [after] = await ada.json<NodeState[]>('nodes')
    expect(after).toMatchObject({ id: before.id, key: before.key, online: true, confirmed: true })
    expect(after?.reach ?? 'agent').toBe('agent')
    expect(managed.systemctl('is-active', 'ocm-agent').trim()).toBe('active')
    const leases = await ada.json<SshLease[]>('leases')
    expect(leases.filter(({ endedAt }) => endedAt === null)).toEqual([])
    for (const [place, there] of [
      [hub.data, 'ada'],
      [home, 'ExecStart='],
    ] as const) {
      expect(new Set(wordsInFiles(place, [SECRET, there]))).toEqual(new Set([there]))
    }
    expect(wordsIn(hub.output(), [SECRET, hub.setupLink])).toEqual([hub.setupLink])
  })

  test('goes on with its history: the next backup follows the last one', async () => {
    const job = await ada.json<Job>('backup', 'study')
    expect(job).toMatchObject({ state: 'done' })
    const [newest, first] = await ada.json<SnapshotState[]>('snapshots', 'study')
    expect([newest?.seq, first?.seq]).toEqual([2, 1])
  })

  test('is there again after a reboot, and needs no credential', async () => {
    await managed.reboot()
    await expect
      .poll(async () => (await ada.json<NodeState[]>('nodes'))[0]?.online, { timeout: 60_000 })
      .toBe(true)
    const refused = await ada.ocm('lend', 'study', '--json')
    expect(JSON.parse(refused.out)).toMatchObject({ code: 'node-not-ssh' })
  })
})
