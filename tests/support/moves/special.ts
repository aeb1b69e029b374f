/** Rows of the matrix that are more than one move, or none. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OPENCLAW, openclawEnv } from '../openclaw.ts'
import { freshMachine, populatedHome } from '../openclaw-home.ts'
import { freePort } from '../free-port.ts'
import { smallHome } from '../small-home.ts'
import { treeOf } from '../trees.ts'
import { until } from '../until.ts'
import { contentOf, unequal } from './content.ts'
import { type Seat, listed, seatAt, userJobs } from './lists.ts'
import { managedRow } from './managed-row.ts'
import { type Play, enrolBoth, runGateway, speaks, stopGateway } from './row.ts'
import { standIn } from './stand-in.ts'

export interface Special {
  readonly name: string
  readonly needs?: 'root'
  /** @returns what is wrong */
  run(play: Play, number: number): Promise<readonly string[]>
}

/** All that may differ after a way there and back. It belongs to a machine, is made anew, or says what was. */
const BOOKKEEPING: readonly RegExp[] = [
  // What OCM keeps for going back: the tree that was fenced, and what lay where something was put.
  /^[^/]+\.ocm-(?:fenced|before)-[^/]+(?:\/|$)/,
  // OpenClaw makes them anew.
  /^\.openclaw\/(?:cache|tmp|plugin-skills)\//,
  // What a gateway that the agent has started said.
  /^\.openclaw\/logs\/(?:gateway\.out)?$/,
  // Copies of what was configured before, which stay behind because OpenClaw would go back to their paths, and a key over
  // the journal of this machine's changes to it.
  /^\.openclaw\/(?:openclaw\.json\.(?:last-good|bak(?:\.\d)?)|config-journal-fingerprint\.key)$/,
  // What npm said, which OpenClaw asks about itself.
  /^\.npm\/_logs\//,
  // What OpenClaw found when it looked at the databases of this machine, and what it locks them with.
  /^\.openclaw\/state\/openclaw-quarantine\.sqlite(?: |$)/,
  /\/openclaw-agent\.sqlite\.reindex-lock\.sqlite(?: |$)/,
  // Health, boots and events of the process that ran.
  /\/openclaw\.sqlite (?:config_health_entries|gateway_boot_lifecycle|diagnostic_events)$/,
  // OpenClaw's own triggers put a conversation there whose row changes, and its next start empties it.
  /\/openclaw-agent\.sqlite session_canonical_validation_pending$/,
  // Where OpenClaw's own import works; empty unless it was cut off.
  /^\.openclaw\/migration\/$/,
]

const isBookkeeping = (place: string): boolean => BOOKKEEPING.some((one) => one.test(place))

export const SPECIAL: readonly Special[] = [
  {
    name: 'there and back again: the same state but for bookkeeping',
    run: async (play, number) => {
      const home = await populatedHome()
      const machine = freshMachine(`moves-${number}`)
      const there = join(machine, 'srv', 'bob')
      mkdirSync(there, { recursive: true })
      const [from, to] = [seatAt(home), seatAt(there)]
      const port = 28_811
      const isReal = play.openclaw === OPENCLAW
      const program = isReal ? OPENCLAW : play.standIn
      const asItWas = isReal ? await restlessOf(from, port) : isBookkeeping
      const before = contentOf(home)
      const jobs = userJobs(home)
      const both = { ...play, openclaw: program, standIn: program }
      const agents = await enrolBoth(both, number, [from, to], machine)
      try {
        await runGateway(program, from, port, START_MS)
        const move = (a: string, b: string, at: number) =>
          play.fleet.operator.json('move', `${a}-${number}`, `${b}-${number}`, '--port', String(at))
        await move('from', 'to', await freePort())
        await move('to', 'from', port)
        await stopGateway(from)
        return [
          ...unequal(before, contentOf(home), asItWas),
          ...(same(jobs ?? [], userJobs(home) ?? []) ? [] : ['the jobs are others']),
        ]
      } finally {
        for (const agent of agents) await agent.stop()
        for (const seat of [from, to]) await stopGateway(seat)
      }
    },
  },
  {
    name: 'a snapshot that is newer than the OpenClaw of the target: refused with the next step',
    run: async (play, number) => {
      const machine = freshMachine(`moves-${number}`)
      const former = play.openclaw === OPENCLAW ? formerOpenClaw() : undefined
      const home = former
        ? await populatedHome()
        : smallHome(join(machine, 'home', 'ada'), await freePort())
      const there = join(machine, 'home', 'bob')
      mkdirSync(there, { recursive: true })
      const openclaw = former ?? olderStandIn(join(machine, 'older'))
      const seats = [seatAt(home), seatAt(there)]
      const agents = await enrolBoth({ ...play, openclaw }, number, seats, machine)
      try {
        const [was, wasThere] = [treeOf(home), treeOf(there)]
        const answer = await play.fleet.operator.ocm(
          ...(['move', `from-${number}`, `to-${number}`, '--json', '--yes'] as const),
        )
        const error = JSON.parse(answer.out) as {
          code: string
          next: string
          facts: { why?: string }
        }
        return [
          ...(answer.code === 1 ? [] : [`answered ${answer.code}`]),
          ...(error.facts.why === 'openclaw-older' ? [] : [`said ${answer.out}`]),
          ...(/^[A-Z].*\.$/.test(error.next) ? [] : ['no next step']),
          ...(same(was, treeOf(home)) ? [] : ['the source has changed']),
          ...(same(wasThere, treeOf(there)) ? [] : ['the target has changed']),
        ]
      } finally {
        for (const agent of agents) await agent.stop()
      }
    },
  },
  {
    name: 'state of 2026.7.1 moved to 2026.9.6',
    run: async (play, number) => {
      const former = formerOpenClaw()
      if (former === undefined) throw new Error('the registry does not serve openclaw@2026.7.1')
      const machine = freshMachine(`moves-${number}`)
      const home = join(machine, 'home', 'ada')
      const there = join(machine, 'srv', 'bob')
      for (const folder of [home, there]) mkdirSync(folder, { recursive: true })
      const ports = [await freePort(), await freePort()] as const
      const job = await formerHome(former, home, ports[0])
      const [from, to] = [seatAt(home), seatAt(there)]
      const agents = await enrolBoth({ ...play, standIn: former }, number, [from, to], machine)
      try {
        const words = ['--port', String(ports[1]), '--allow-upgrade']
        await play.fleet.operator.json('move', `from-${number}`, `to-${number}`, ...words)
        const isUp = await speaks(ports[1])
        // Only a gateway of the real one brings the state up to date.
        await stopGateway(to)
        await upgrade(there, ports[1])
        const jobs = userJobs(there) ?? []
        const { personas } = await listed(to, 'main', 'few')
        return [
          ...(isUp ? [] : ['the target does not speak']),
          ...(jobs.includes(job) ? [] : [`the jobs are ${jobs.join(', ')}, not ${job}`]),
          ...(personas.includes('main') ? [] : [`the personas are ${personas.join(', ')}`]),
        ]
      } finally {
        for (const agent of agents) await agent.stop()
        for (const seat of [from, to]) await stopGateway(seat)
      }
    },
  },
  {
    name: "under the accounts' own service managers, over a reboot, and taken back",
    needs: 'root',
    run: managedRow,
  },
]

const START_MS = 240_000

/**
 * A gateway of the real one changes more: what it changes when its owner starts and stops it, twice, is no doing of a
 * move, either.
 */
async function restlessOf(seat: Seat, port: number): Promise<(place: string) => boolean> {
  const start = () => runGateway(OPENCLAW, seat, port, START_MS)
  await start()
  await stopGateway(seat)
  const once = contentOf(seat.home)
  await start()
  await stopGateway(seat)
  const twice = contentOf(seat.home)
  const moved = unequal(once, twice, isBookkeeping).map((line) => line.slice(0, line.indexOf(': ')))
  const restless = new Set(moved)
  console.log(`           changed by a start and a stop: ${moved.join(', ') || 'nothing'}`)
  return (place) => isBookkeeping(place) || restless.has(place)
}

/** One that says so. @returns the program */
function olderStandIn(folder: string): string {
  const older = standIn(folder)
  const about = join(older, '..', 'package.json')
  const said = JSON.parse(readFileSync(about, 'utf8')) as object
  const schemas = { openclaw: { schemaVersions: { state: 17, agent: 19 } } }
  writeFileSync(about, JSON.stringify({ ...said, ...schemas, version: '2026.9.4' }))
  return older
}

const same = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Put once into a directory of its own. @returns undefined where it cannot be had */
function formerOpenClaw(): string | undefined {
  const folder = join(tmpdir(), 'ocm-openclaw-2026.7.1')
  const program = join(folder, 'node_modules', 'openclaw', 'openclaw.mjs')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{}')
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', 'openclaw@2026.7.1']
  try {
    execFileSync('npm', args, { cwd: folder, stdio: 'ignore', timeout: 400_000 })
  } catch {
    rmSync(folder, { recursive: true, force: true })
    return undefined
  }
  return existsSync(program) ? program : undefined
}

/** @returns the id of its cron job */
async function formerHome(program: string, home: string, port: number): Promise<string> {
  const run = (...args: readonly string[]) =>
    execFileSync(process.execPath, [program, ...args], {
      cwd: home,
      env: openclawEnv(home),
      encoding: 'utf8',
      timeout: 170_000,
    })
  run(
    ...'onboard --non-interactive --accept-risk --mode local --auth-choice skip'.split(' '),
    ...`--gateway-port ${port} --gateway-bind loopback --gateway-auth token`.split(' '),
    ...'--gateway-token a-token-that-is-long-enough-0001 --skip-channels --skip-skills'.split(' '),
    ...'--skip-health --skip-search --skip-ui --no-install-daemon --json'.split(' '),
  )
  const child = spawn(process.execPath, [program, 'gateway', 'run', '--port', String(port)], {
    cwd: home,
    env: { ...openclawEnv(home), OPENCLAW_SKIP_CHANNELS: '1' },
    stdio: 'ignore',
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  try {
    await until(() => isListening(port), { timeoutMs: 170_000, what: 'the gateway of 2026.7.1' })
    const words = ['--name', 'early', '--cron', '0 8 * * *', '--message', 'the report']
    const out = run('cron', 'add', ...words, '--no-deliver', '--json')
    return (JSON.parse(out.slice(out.indexOf('{'))) as { id: string }).id
  } finally {
    child.kill('SIGTERM')
    await gone
  }
}

async function isListening(port: number): Promise<boolean> {
  try {
    await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2000) })
    return true
  } catch {
    return false // Not yet.
  }
}

/** A start of the real gateway, which migrates by itself. */
async function upgrade(home: string, port: number): Promise<void> {
  await runGateway(OPENCLAW, seatAt(home), port, 240_000)
  await stopGateway(seatAt(home))
}
