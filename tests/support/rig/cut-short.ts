/**
 * The process that the crash tests kill: an agent at its apply or its fence, or one that starts after such a kill.
 * `cut-short.ts apply|fence|recover|recover-fence FOLDER`; prints one line of JSON.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createApply } from '@ocm/agent'
import { OcmError, fromCbor, toWireError } from '@ocm/protocol'
import { NOTHING, partsOf, rigHub } from './agent.ts'
import { installationAt } from './node.ts'
import { orderUnder } from './operator.ts'
import { type Snapshot, deltaOf } from './snapshots.ts'
import { type Place, digestOf } from './trees.ts'
import { A, B, keys, vaultRecord } from './vault.ts'

/** What the test lays down for this process. */
export interface Scene {
  readonly place: Place
  readonly job: string
  /** CBOR of the snapshots, which are the same in every run. */
  readonly base: string
  readonly final: string
}

const [mode, folder] = process.argv.slice(2) as [string, string]
const scene = JSON.parse(readFileSync(`${folder}/scene.json`, 'utf8')) as Scene
const { place, job } = scene

interface Stored extends Omit<Snapshot, 'packs' | 'refs'> {
  readonly packs: readonly (readonly [string, Uint8Array])[]
}
function stored(file: string): Snapshot {
  const { packs, ...rest } = fromCbor(new Uint8Array(readFileSync(file)), 'scene') as Stored
  return { ...rest, packs: new Map(packs), refs: new Map() }
}

const base = stored(scene.base)
const isTarget = mode === 'apply' || mode === 'recover'
const me = isTarget ? { id: B, key: keys.b } : { id: A, key: keys.a }
const apply = createApply(
  partsOf(place, me, installationAt(place), rigHub(base), async () => deltaOf(stored(scene.final))),
)
const record = vaultRecord()

/** Asked as a hub asks, again and again; what an agent that was cut short no longer knows is an answer too. */
async function answerOf<T>(asked: Promise<T>): Promise<T | string> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof OcmError) return toWireError(error).code
    throw error
  }
}

const activate = async () => {
  const done = await answerOf(apply.activate({ job, fenced: NOTHING, header: NOTHING }))
  return typeof done === 'string' ? done : done.code || 'spoke'
}

/** Of a fence: the same in every process. */
const fenceOrder = () => new Uint8Array(readFileSync(`${folder}/order`))

async function act(): Promise<unknown> {
  switch (mode) {
    case 'apply': {
      const target = { id: B, key: keys.b }
      const wish = { job, kind: 'clone', source: A, target, snapshot: base } as const
      const order = orderUnder(await apply.describe(record), wish)
      await apply.stage({ job, order, record, header: base.header, source: keys.a.public })
      return { outcome: await activate() }
    }
    case 'recover': {
      await apply.recover()
      const settled = digestOf(place.home)
      return { settled, outcome: await activate(), digest: digestOf(place.home) }
    }
    case 'fence': {
      await apply.fence({ job, order: fenceOrder(), record })
      return { outcome: 'fenced' }
    }
    default: {
      await apply.recover()
      const settled = digestOf(place.home)
      const again = await answerOf(apply.fence({ job, order: fenceOrder(), record }))
      const outcome = typeof again === 'string' ? again : 'fenced'
      return { settled, outcome, digest: digestOf(place.home) }
    }
  }
}

writeFileSync(1, `${JSON.stringify(await act())}\n`)
