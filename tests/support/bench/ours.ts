/**
 * OCM as it ships: hub, agent and `ocm` out of dist, each a process of its own. A job's time is from its start to its
 * end by the hub; what `ocm` does by itself is its wall time.
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from '@ocm/protocol'
import { WebSocket } from 'ws'
import { type Fleet, startFleet } from '../fleet.ts'
import { gatewayPid } from '../node-state.ts'
import { programOf } from '../programs.ts'
import { until } from '../until.ts'
import { bytesIn } from './anchors.ts'
import type { Contender } from './contender.ts'
import { type Ran, type Taken, Watched, run } from './measured.ts'

/** What OpenClaw does by itself during an apply: it looks the staged tree over, and starts. */
const OPENCLAWS: ReadonlySet<string> = new Set(['validating', 'launching'])

interface Running {
  readonly fleet: Fleet
  readonly agent: Watched
  readonly hub: Watched
  readonly token: string
  readonly agentOutput: () => string
}

export interface OursOptions {
  readonly folder: string
  readonly home: string
  /** Where every process leaves a profile of its processor time. */
  readonly profile?: string
}

export function ours({ folder, home, profile }: OursOptions): Contender {
  let running: Running | undefined
  let snapshot = ''
  const now = () => {
    if (!running) throw new Error('the hub is not running')
    return running
  }
  const stop = async () => {
    await running?.fleet.stop()
    running = undefined
    await stopGateway(home)
  }

  const start = async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    if (profile !== undefined) {
      mkdirSync(profile, { recursive: true })
      process.env['OCM_PROFILE'] = profile
    }
    const fleet = await startFleet(folder)
    const agent = await fleet.enrol('alpha', home, join(folder, 'agent'))
    const settings = join(folder, 'operator', 'config', 'ocm', 'config.json')
    const { token } = JSON.parse(readFileSync(settings, 'utf8')) as { token: string }
    running = {
      fleet,
      agent: new Watched(agent.process.pid ?? 0),
      hub: new Watched(fleet.hub.process.pid ?? 0),
      token,
      agentOutput: () => agent.output(),
    }
  }

  const ocm = async (...args: readonly string[]): Promise<Ran> => {
    const { fleet, agent, hub } = now()
    for (const one of [agent, hub]) one.begin()
    const node = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    const command = [process.execPath, ...node, programOf('ocm'), ...args, '--json', '--yes']
    const ran = await run('ocm', command, {
      log: join(folder, 'ocm.log'),
      env: fleet.operator.env,
      keepOutput: true,
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await lastWords(now())}`, { cause: error })
    })
    return { ...ran, costs: { ...ran.costs, agent: agent.end(), hub: hub.end() } }
  }

  const backup = async (): Promise<Taken> => {
    const { out, costs } = await ocm('backup', 'alpha')
    const { startedAt, endedAt, snapshot: made } = JSON.parse(out) as Job
    snapshot = made ?? ''
    return { seconds: ((endedAt ?? 0) - (startedAt ?? 0)) / 1000, costs }
  }

  return {
    name: 'ocm',
    version: 'this commit',
    stored: () => bytesIn(join(folder, 'hub', 'packs')),
    opening: () => ocm('nodes', 'confirm'),
    stop,
    steps: {
      async first() {
        await start()
        return backup()
      },
      unchanged: backup,
      changed: backup,
      async restore() {
        const phases = await watchPhases(now())
        const began = Date.now()
        const { out, costs } = await ocm('restore', 'alpha', 'latest')
        const job = JSON.parse(out) as Job
        const beside = await phases.end(job)
        const whole = ((job.endedAt ?? 0) - (job.startedAt ?? 0)) / 1000
        const theirs = Object.values(beside).reduce((sum, s) => sum + s, 0)
        const planning = (job.createdAt - began) / 1000
        await stopGateway(home)
        return { seconds: whole - theirs, costs, beside: { ...beside, planning } }
      },
      oneFile: () => ocm('cat', snapshot, 'state:openclaw.json'),
      verify: () => ocm('verify', snapshot),
    },
  }
}

/** Of a job that failed: what the node said, and what the programs printed last. */
async function lastWords({ fleet, agentOutput }: Running): Promise<string> {
  const [job] = await fleet.operator.json<Job[]>('jobs')
  const shown = job ? (await fleet.operator.ocm('jobs', 'show', job.id, '--log')).out : ''
  return [shown, fleet.hub.output(), agentOutput()]
    .map((text) => text.trim().slice(-1500))
    .join('\n')
}

async function stopGateway(home: string): Promise<void> {
  const pid = gatewayPid(home)
  if (pid === undefined) return
  process.kill(pid, 'SIGTERM')
  await until(() => gatewayPid(home) !== pid, { timeoutMs: 60_000, what: 'the gateway is gone' })
}

/** Listens to what the hub tells of its jobs, as the dashboard does. */
async function watchPhases({ fleet, token }: Running) {
  const heard: { readonly at: number; readonly phase: string }[] = []
  const socket = new WebSocket(`${fleet.hub.url.replace('http', 'ws')}/api/live`, {
    headers: { authorization: `Bearer ${token}` },
  })
  socket.on('message', (data) => {
    const event = JSON.parse(String(data)) as { kind: string; job?: Job }
    if (event.kind !== 'job-changed' || event.job?.kind !== 'restore') return
    const phase = event.job.steps.findLast(({ state }) => state === 'running')?.phase ?? ''
    if (heard.at(-1)?.phase !== phase) heard.push({ at: Date.now(), phase })
  })
  await once(socket, 'open')
  return {
    /** Seconds of each phase that is OpenClaw's. */
    async end(job: Job): Promise<Record<string, number>> {
      socket.close()
      await once(socket, 'close')
      const spent: Record<string, number> = {}
      for (const [n, { at, phase }] of heard.entries()) {
        if (!OPENCLAWS.has(phase)) continue
        const end = heard[n + 1]?.at ?? job.endedAt ?? at
        spent[phase] = (spent[phase] ?? 0) + (end - at) / 1000
      }
      return spent
    },
  }
}
