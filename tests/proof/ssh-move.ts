/**
 * The populated home moves from a node with an agent to one that has none, and back: real gateways of OpenClaw, a real
 * sshd with an account, `ocm` as it ships. Looked at afterwards is what OpenClaw itself lists, that one of both speaks,
 * and that nothing is left of the sessions. `npm run proof -- ssh-move`
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, type SshLease, hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { setup } from '../support/build.ts'
import { NAMES } from '../support/canaries.ts'
import { startFleet } from '../support/fleet.ts'
import { type Seat, listed, seatAt, toldJobs } from '../support/moves/lists.ts'
import { differences, runGateway, speaks, stopGateway } from '../support/moves/row.ts'
import { leftovers, pathsInRows } from '../support/moves/scan.ts'
import { deviceOf } from '../support/node-state.ts'
import { OPENCLAW, isReady } from '../support/openclaw.ts'
import { GATEWAY_PORT, freshMachine, populatedHome } from '../support/openclaw-home.ts'
import { freePort } from '../support/free-port.ts'
import { own } from '../support/ssh/accounts.ts'
import { startSshd, whyNoSshd } from '../support/ssh/sshd.ts'
import { until } from '../support/until.ts'

const SECRET = 'password-of-an-account-0002'
const START_MS = 150_000

const why = whyNoSshd()
if (why !== undefined) {
  console.log(`skipped: ${why}`)
  console.log('0 passed, 0 failed, 1 skipped')
  process.exit(0)
}
if (process.env['OCM_DIST'] === undefined) setup()
const ground = freshMachine('ssh-move')
const sshd = await startSshd()
const fleet = await startFleet(ground)
const tally = { passed: 0, failed: 0 }
const seats: Seat[] = []
try {
  const desk = seatAt(await populatedHome())
  const account = sshd.account({ password: SECRET })
  mkdirSync(join(account.home, '.local/bin'), { recursive: true })
  symlinkSync(process.execPath, join(account.home, '.local/bin/node'))
  own(account)
  const shed = seatAt(account.home, { account })
  seats.push(desk, shed)
  const ports = { desk: GATEWAY_PORT, shed: await freePort() }

  const secret = join(ground, 'ssh-password')
  writeFileSync(secret, `${SECRET}\n`, { mode: 0o600 })
  Object.assign(fleet.operator.env, { OCM_SSH_PASSWORD_FILE: secret })
  chmodSync(ground, 0o755)
  await fleet.enrol('desk', desk.home, ground)
  const destination = `${account.name}@127.0.0.1:${sshd.port}`
  const shown = hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')
  const how = ['--label', 'shed', '--openclaw-bin', OPENCLAW, '--host-key', shown]
  await fleet.operator.json('nodes', 'add', destination, ...how)
  const before = await listed(desk, NAMES.persona)
  const device = deviceOf(desk.home)
  console.log(`${Object.entries(before).map(([key, all]) => `${all?.length} ${key}`)}`)
  await runGateway(OPENCLAW, desk, ports.desk, START_MS)

  const play = async (name: string, from: 'desk' | 'shed', to: 'desk' | 'shed') => {
    const began = performance.now()
    const [source, target] = from === 'desk' ? [desk, shed] : [shed, desk]
    const words = ['move', from, to, '--port', String(ports[to])]
    const move = await fleet.operator.json<Job>(...words)
    const moved = (performance.now() - began) / 1000
    const isSpeaking = [await speaks(ports[to]), await isReady(ports[from])]
    const told = await toldJobs(target)
    const after = await listed(target, NAMES.persona)
    const wrong = [
      ...(move.state === 'done' ? [] : [`the move is ${move.state}`]),
      ...(move.inventoryEqual ? [] : ['OCM finds the inventories different']),
      ...differences(before, after),
      ...(JSON.stringify(told) === JSON.stringify(before.userCron)
        ? []
        : [`the gateway lists the jobs ${told.join(', ')}`]),
      ...(deviceOf(target.home) === device ? [] : ['it is another device']),
      ...(isSpeaking[0] ? [] : ['the target does not speak']),
      ...(isSpeaking[1] ? ['the source speaks'] : []),
      ...(existsSync(`${source.state}.ocm-fenced.json`) ? [] : ['the source has no tombstone']),
      ...(existsSync(`${target.state}.ocm-fenced.json`) ? ['the target has a tombstone'] : []),
      ...leftovers(target.home, source.home)
        .filter((where) => !/ocm-(?:agent|fenced|before)/.test(where))
        .map((where) => `names the old home: ${where}`),
      ...pathsInRows(target.state, source.home).map((where) => `names the old home: ${where}`),
      ...(await leftOfSessions()),
    ]
    tally[wrong.length === 0 ? 'passed' : 'failed']++
    const downtime = `${((move.downtimeMs ?? 0) / 1000).toFixed(1)} s silent`
    console.log(
      `${wrong.length === 0 ? 'well ' : 'WRONG'}  ${name} (${moved.toFixed(0)} s, ${downtime})`,
    )
    for (const one of wrong) console.log(`         ${one}`)
  }

  /** Of the account nothing runs but a gateway, and everything in its home is its own; nothing is on loan. */
  async function leftOfSessions(): Promise<readonly string[]> {
    const leases = await fleet.operator.json<SshLease[]>('leases')
    const running = () =>
      execFileSync('ps', ['-eo', 'uid=,stat=,args='], { encoding: 'utf8' })
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([uid, stat = '']) => Number(uid) === account.uid && !stat.startsWith('Z'))
        .map((words) => words.slice(2).join(' '))
        .filter((words) => /ocm|sshd| -e eval/.test(words))
    await until(() => running().length === 0, { timeoutMs: 10_000, what: 'it ends' }).catch(
      () => undefined,
    )
    const foreign = execFileSync('find', [account.home, '!', '-user', account.name], {
      encoding: 'utf8',
    })
    return [
      ...leases.filter(({ endedAt }) => endedAt === null).map(({ id }) => `on loan: ${id}`),
      ...running().map((words) => `runs: ${words}`),
      ...foreign
        .split('\n')
        .filter(Boolean)
        .map((path) => `another's: ${path}`),
    ]
  }

  await play('from a node with an agent to one that has none', 'desk', 'shed')
  await play('and back', 'shed', 'desk')
} finally {
  for (const seat of seats) await stopGateway(seat)
  await fleet.stop()
  await sshd.stop()
}
console.log(`${tally.passed} passed, ${tally.failed} failed, 0 skipped`)
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1
