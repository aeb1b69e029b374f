/** An installation without OpenClaw: a configuration and a database that name their own places, a gateway under the manager. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway, Installation, Staged, TrialTree } from '@ocm/agent'
import { type Inventory, OcmError, type TargetFacts, rewriteText } from '@ocm/protocol'
import type { ManagerState } from './manager.ts'
import { type Place, digestOf, layoutOf, rootsOf } from './trees.ts'

export const inventoryIn = (config: string): Inventory => {
  const { personas, cron } = JSON.parse(config) as { personas: string[]; cron: string[] }
  return {
    personas,
    cron: cron.map((id) => ({
      id,
      name: id,
      user: true,
      enabled: true,
      persona: 'main',
      schedule: 'daily',
    })),
    authProfiles: [],
    plugins: [],
    skills: [],
    channels: [],
    pairings: 0,
    sessions: {},
  }
}

export interface RigInstallation extends Installation {
  /** Thrown by the step of that name, once. */
  readonly fail: Map<'rewrite' | 'validate' | 'start', Error>
  /** Every tree that was tried: its configuration, and what lay there. */
  readonly trials: {
    readonly config: string
    readonly tree: TrialTree
    readonly digest: readonly string[]
  }[]
  /** Called in the middle of a trial. */
  whileTrying: (signal: AbortSignal) => Promise<void>
  facts(wish: { readonly ports: readonly number[] }): Promise<TargetFacts>
}

const unused = () => {
  throw new OcmError('internal', { what: 'not part of the rig' })
}

export function installationAt(place: Place): RigInstallation {
  const { state } = rootsOf(place) as { state: string }
  const fail: RigInstallation['fail'] = new Map()
  const failing = (step: 'rewrite' | 'validate' | 'start') => {
    const error = fail.get(step)
    fail.delete(step)
    if (error) throw error
  }
  const gateway = gatewayBy(place, () => failing('start'))
  const installation: RigInstallation = {
    fail,
    trials: [],
    whileTrying: async () => {},
    layout: async () => layoutOf(place),
    survey: unused,
    examine: unused,
    facts: async () => ({
      layout: layoutOf(place),
      occupied: existsSync(`${state}/config.json`),
      freeBytes: Object.fromEntries(Object.keys(rootsOf(place)).map((name) => [name, 1e12])),
      gateway: { kind: 'user-unit', running: await gateway.isRunning() },
      portsInUse: [],
      fenced: existsSync(`${state}.ocm-fenced.json`),
      readOnlyConfig: false,
      trial: { isolated: true },
    }),
    inventory: async () =>
      existsSync(`${state}/config.json`)
        ? inventoryIn(readFileSync(`${state}/config.json`, 'utf8'))
        : null,
    regenerable: ['cache'],
    rewrite: async (staged) => {
      failing('rewrite')
      return rewrite(staged)
    },
    validate: async (staged) => {
      failing('validate')
      JSON.parse(readFileSync(staged.at(`${state}/config.json`), 'utf8'))
      return []
    },
    tryTree: async (tree, _, signal) => {
      const config = readFileSync(`${tree.layout.roots['state']}/config.json`, 'utf8')
      installation.trials.push({ config, tree, digest: digestOf(tree.directory) })
      writeFileSync(`${tree.layout.roots['state']}/made-by-a-start`, '')
      await installation.whileTrying(signal)
      const { healthy } = JSON.parse(config) as { healthy?: boolean }
      const ready = healthy === true
      const inventory = ready ? inventoryIn(config) : null
      return {
        ready,
        isolated: true,
        inventory,
        cronAsked: null,
        pluginsMissing: [],
        words: 'not healthy',
      }
    },
    portForTrial: async () => 2222,
    endTrial: async () => {},
    gateway: async () => gateway,
  }
  return installation
}

function rewrite(staged: Staged): { readonly changed: Readonly<Record<string, number>> } {
  const state = staged.to.roots['state'] as string
  const file = staged.at(`${state}/config.json`)
  const config = JSON.parse(rewriteText(readFileSync(file, 'utf8'), staged.rules)) as object
  writeFileSync(file, JSON.stringify({ ...config, port: staged.port }))
  const database = new DatabaseSync(staged.at(`${state}/data.sqlite`))
  const row = database.prepare('SELECT path FROM paths').get() as { path: string }
  database.prepare('UPDATE paths SET path = ?').run(rewriteText(row.path, staged.rules))
  database.close()
  return { changed: { paths: 2 } }
}

function gatewayBy(place: Place, beforeStart: () => void): Gateway {
  const ask = (verb: string, query: Record<string, string> = {}) =>
    post(place.manager, verb, { home: place.home, ...query })
  return {
    kind: 'user-unit',
    isRunning: async () => (await ask('state')).running,
    stop: async () => void (await ask('stop')),
    mask: async () => void (await ask('mask')),
    unmask: async () => void (await ask('unmask')),
    start: async (layout) => {
      beforeStart()
      await ask('start', { port: String(layout.port) })
    },
    waitReady: async (layout, timeoutMs) => {
      const end = performance.now() + timeoutMs
      while (performance.now() < end) {
        if (await isReady(layout.port)) return true
        await sleep(20)
      }
      return false
    },
    lastWords: async () => '',
    remember: async () => ({ kind: 'rig' }),
  }
}

async function post(
  manager: string,
  verb: string,
  query: Record<string, string>,
): Promise<ManagerState> {
  const { status, body } = await call(`${manager}/${verb}?${new URLSearchParams(query)}`)
  if (status !== 200)
    throw new OcmError('openclaw-unhealthy', { step: verb }, { cause: new Error(body) })
  return JSON.parse(body) as ManagerState
}

const isReady = async (port: number): Promise<boolean> => {
  try {
    return (await call(`http://127.0.0.1:${port}/readyz`)).body.includes('"ready":true')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

const call = (url: string) =>
  new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const asked = request(url, { method: 'POST', agent: false }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => {
        resolve({ status: answer.statusCode, body: Buffer.concat(parts).toString('utf8') })
      })
    })
    asked.on('error', reject)
    asked.end()
  })
