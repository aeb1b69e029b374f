/**
 * The process that the crash tests kill: an agent at its apply or its fence, or one that starts after such a kill.
 * `cut-short.ts clone|move|fence|undo FOLDER [recover|prepare]`; prints one line of JSON.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createApply } from '@ocm/agent'
import {
  Abort,
  Description,
  type Fenced,
  OcmError,
  fromCbor,
  hex,
  makeStatement,
  readStatement,
  sealGrant,
  toWireError,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { NOTHING, partsOf, rigHub } from './agent.ts'
import type { Work } from './killing.ts'
import { installationAt } from './node.ts'
import { orderUnder, undoUnder } from './operator.ts'
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

const [work, folder, mode] = process.argv.slice(2) as [
  Work,
  string,
  'recover' | 'prepare' | undefined,
]
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
const final = stored(scene.final)
const me = work !== 'fence' ? { id: B, key: keys.b } : { id: A, key: keys.a }
const apply = createApply(
  partsOf(place, me, installationAt(place), rigHub(base, final), async () => deltaOf(final)),
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

const fencedFile = `${folder}/fenced`

/** What the source of a move says; kept for the process after this one, as a hub keeps it. */
function sayFenced(description: Uint8Array, order: Uint8Array): void {
  const { jobKey } = readStatement(p, 'description', Description, description, [me.key.public])
  const context = { job, target: B, snapshot: final.id }
  const body: Fenced = {
    v: 1,
    order: hex(p.sha256(order)),
    node: A,
    fenceEpoch: 1,
    snapshot: final.id,
    grant: sealGrant(p, jobKey, context, { packs: final.keys, root: final.root }),
  }
  writeFileSync(fencedFile, makeStatement(p, 'fenced', body, keys.a))
}

async function activate(): Promise<string> {
  const isFenced = work === 'move' && existsSync(fencedFile)
  // A job that has failed before its source was fenced is one that the hub has thrown away.
  if (work === 'move' && !isFenced) await apply.discard(job)
  const fenced = isFenced ? new Uint8Array(readFileSync(fencedFile)) : NOTHING
  const done = await answerOf(apply.activate({ job, fenced, header: final.header }))
  await apply.tidied()
  return typeof done === 'string' ? done : done.code || 'spoke'
}

async function fence(): Promise<string> {
  const order = new Uint8Array(readFileSync(`${folder}/order`))
  const done = await answerOf(apply.fence({ job, order, record }))
  return typeof done === 'string' ? done : 'fenced'
}

async function applyAll(kind: 'clone' | 'move'): Promise<string> {
  const target = { id: B, key: keys.b }
  const description = await apply.describe(record)
  const wish = { job, kind, source: A, target, snapshot: base, fenceEpoch: 1 } as const
  const order = orderUnder(description, wish)
  await apply.stage({ job, order, record, header: base.header, source: keys.a.public })
  if (kind === 'move') sayFenced(description, order)
  return activate()
}

/** A move whose source is off, so that there is nothing but this node. */
async function applyToUndo(): Promise<string> {
  const target = { id: B, key: keys.b }
  const order = orderUnder(await apply.describe(record), {
    job,
    kind: 'move',
    source: A,
    target,
    snapshot: base,
    fenceEpoch: 1,
    order: { unfenced: true },
  })
  writeFileSync(`${folder}/order`, order)
  await apply.stage({ job, order, record, header: base.header, source: keys.a.public })
  return activate()
}

const UNDO = '1d'.repeat(16)
const undoFile = `${folder}/undo`

async function orderUndo(): Promise<void> {
  const undoes = new Uint8Array(readFileSync(`${folder}/order`))
  const target = { id: B, key: keys.b }
  const description = await apply.describe(record)
  writeFileSync(undoFile, undoUnder(description, { job: UNDO, target, undoes }))
}

async function undo(): Promise<string> {
  if (!existsSync(undoFile)) return 'not ordered'
  const statement = new Uint8Array(readFileSync(undoFile))
  const done = await answerOf(apply.undo({ job: UNDO, order: statement, record }))
  if (typeof done === 'string') return done
  readStatement(p, 'abort', Abort, done.abort, [keys.b.public])
  return 'undone'
}

async function begin(): Promise<string> {
  switch (work) {
    case 'fence':
      return fence()
    case 'undo':
      await orderUndo()
      return undo()
    case 'clone':
    case 'move':
      return applyAll(work)
  }
}

async function act() {
  if (mode === 'prepare') return { outcome: await applyToUndo() }
  if (mode === undefined) return { outcome: await begin() }
  await apply.recover()
  await apply.tidied()
  const settled = digestOf(place.home)
  const outcome = await { fence, undo, clone: activate, move: activate }[work]()
  return { settled, outcome, digest: digestOf(place.home) }
}

writeFileSync(1, `${JSON.stringify(await act())}\n`)
