/**
 * The row of the matrix in which both sides have a service manager: the source's gateway is run by the unit that
 * OpenClaw has made for its account, the target's account has never run any. Real gateways on both sides.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NAMES } from '../canaries.ts'
import { gatewayPid } from '../node-state.ts'
import { OPENCLAW, isReady, openclawEnv } from '../openclaw.ts'
import { freshMachine, populatedHome } from '../openclaw-home.ts'
import { spawned } from '../programs.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'
import { type Seat, listed, seatAt, toldJobs } from './lists.ts'
import { type Play, differences, enrolBoth } from './row.ts'
import { leftovers, pathsInRows } from './scan.ts'
import { type Managed, managedAccount } from './user-manager.ts'

const UNIT = 'openclaw-gateway.service'
const LONG = { timeoutMs: 240_000, everyMs: 500 }
const unitFile = (home: string) => join(home, '.config', 'systemd', 'user', UNIT)

/** @returns what is wrong */
export async function managedRow(play: Play, number: number): Promise<readonly string[]> {
  const source = await populatedHome()
  const machine = freshMachine(`moves-${number}`)
  const ports = { source: await freePort(), target: await freePort() }
  const home = join(machine, 'home', 'bob')
  const a = await managedAccount('ocm-move-a', source, join(machine, 'a'))
  const b = await managedAccount('ocm-move-b', home, join(machine, 'b'))
  const [from, to] = [seatAt(source, a.under), seatAt(home, b.under)]
  const wrong: string[] = []
  const look = (isWell: boolean, what: string) => void (isWell || wrong.push(what))
  let agents: Awaited<ReturnType<typeof enrolBoth>> = []
  try {
    installGateway(from, ports.source)
    await until(() => isReady(ports.source), { ...LONG, what: 'the unit of the source is ready' })
    look(mainPid(a) === gatewayPid(source, from.state, uidOf(from)), 'the source runs by itself')
    agents = await enrolBoth(
      { ...play, standIn: OPENCLAW, openclaw: OPENCLAW },
      number,
      [from, to],
      machine,
    )
    const move = await play.fleet.operator.json<{ inventoryEqual: boolean }>(
      ...(['move', `from-${number}`, `to-${number}`, '--port', String(ports.target)] as const),
    )
    look(move.inventoryEqual, 'OCM finds the inventories different')
    look(await isReady(ports.target), 'the target does not speak')
    look(!(await isReady(ports.source)), 'the source speaks')
    look(mainPid(b) === gatewayPid(home, to.state, uidOf(to)), 'the target runs without its unit')
    const text = existsSync(unitFile(home)) ? readFileSync(unitFile(home), 'utf8') : ''
    for (const word of [`--port ${ports.target}`, `HOME=${home}`])
      look(text.includes(word), `the unit lacks ${word}`)
    look(!text.includes(source), 'the unit names the old home')
    look(isMasked(a), 'the unit of the source is not masked')
    const told = await toldJobs(to)
    wrong.push(...differences(play.before, await listed(to, NAMES.persona, play.depth)))
    look(JSON.stringify(told) === JSON.stringify(play.before.userCron), `it lists ${told.join()}`)
    const places = [...leftovers(home, source), ...pathsInRows(to.state, source)]
    wrong.push(
      ...places
        .filter((place) => !place.startsWith('agent-'))
        .map((place) => `names the old home: ${place}`),
    )

    // Both machines are switched off and on again.
    await a.reboot()
    await b.reboot()
    await until(() => isReady(ports.target), { ...LONG, what: 'the target is back after a reboot' })
    look(!(await isReady(ports.source)), 'the source speaks after a reboot')
    look(!isActive(a), 'the unit of the source came to life')

    await play.fleet.operator.json('undo', `to-${number}`)
    await until(() => isReady(ports.source), { ...LONG, what: 'the source speaks again' })
    look(!(await isReady(ports.target)), 'the target speaks after the undo')
    look(isActive(a) && !isMasked(a), 'the source is back without its unit')
    look(!existsSync(join(home, '.config')), 'the undo leaves the unit of the target')
    return wrong
  } catch (error) {
    const said = agents.map(({ output }) => output().slice(-2000)).join('\n')
    return [...wrong, `${String(error)}\n${said}\n${play.fleet.hub.output().slice(-3000)}`]
  } finally {
    for (const agent of agents) await agent.stop()
    for (const managed of [a, b]) await managed.stop()
  }
}

const uidOf = ({ under }: Seat) => under?.account?.uid ?? 0

const show = (managed: Managed, property: string) =>
  managed.systemctl('show', UNIT, '-p', property, '--value').trim()

const mainPid = (managed: Managed) => Number(show(managed, 'MainPID'))
const isActive = (managed: Managed) => show(managed, 'ActiveState') === 'active'
const isMasked = (managed: Managed) => show(managed, 'LoadState') === 'masked'

/** As its owner would. */
function installGateway({ home, under = {} }: Seat, port: number): void {
  const words = ['gateway', 'install', '--force', '--port', String(port), '--json']
  const { file, args } = spawned(under, [process.execPath, OPENCLAW, ...words])
  execFileSync(file, args, {
    cwd: home,
    env: { ...openclawEnv(home), ...under.env },
    stdio: 'pipe',
    timeout: 180_000,
  })
}
