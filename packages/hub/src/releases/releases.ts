/**
 * The release of the agent that is offered, and how far it has come. It lies in the data directory as the operator brought
 * it; whether it is genuine each agent decides by itself.
 */
import { join } from 'node:path'
import {
  base64url,
  Count,
  type HubSession,
  Id,
  Millis,
  type NodeConversation,
  OcmError,
  type Primitives,
  type ReleaseState,
  Strict,
  check,
  openRelease,
  releaseOf,
} from '@ocm/protocol'
import { Type } from 'typebox'
import { readIfThere, removeDurably, writeDurably } from '../durable.ts'
import { type Rollout, type Updatable, judged, nextOf } from './rollout.ts'

export interface ReleasesNeeds {
  readonly p: Primitives
  readonly data: string
  readonly now: () => number
  readonly conversation: (node: string) => NodeConversation | undefined
  /** Nodes that a job is at work on, or waits for. */
  readonly atWork: () => Promise<ReadonlySet<string>>
  readonly changed: (node: string) => void
  readonly fault: (error: unknown) => void
}

export interface Releases {
  /** Path of what is offered. */
  readonly file: string
  /** @throws OcmError 'malformed', 'release-refused' for one that is older than what is offered */
  offer(file: Uint8Array): Promise<ReleaseState>
  withdraw(): Promise<void>
  state(): ReleaseState | null
  /** Of one node, for people. */
  of(node: string): 'waiting' | 'asked' | 'failed' | undefined
  /** A node is here; attaches what it may ask. */
  came(node: string, session: HubSession, capabilities: readonly string[]): void
  left(node: string): void
  /** Something ended: perhaps somebody can be asked now. */
  look(): void
  stop(): void
}

const Stored = Strict({
  serial: Count,
  offeredAt: Millis,
  done: Type.Array(Id),
  asked: Type.Record(Type.String(), Millis),
  failed: Type.Union([Id, Type.Null()]),
})

const LOOK_EVERY_MS = 30_000
/** It fetches a program of a megabyte and starts it once. */
const UPDATE_MS = 15 * 60_000

export async function openReleases(needs: ReleasesNeeds): Promise<Releases> {
  const { p, now } = needs
  const file = join(needs.data, 'releases', 'agent')
  const progress = join(needs.data, 'releases', 'rollout')
  const live = new Map<string, ReturnType<typeof releaseOf>>()
  /** Nodes that are being asked, or said yes and have not gone to become another yet. */
  const pending = new Set<string>()

  const read = (bytes: Uint8Array) => openRelease(p, bytes)
  let offered: ReturnType<typeof read> | undefined
  let rollout: Rollout | undefined
  const kept = await readIfThere(file)
  if (kept) {
    offered = read(kept)
    const said = await readIfThere(progress)
    const stored = said && check(Stored, JSON.parse(Buffer.from(said).toString()), 'rollout')
    const isSame = stored?.serial === offered.release.serial
    rollout = isSame ? stored : beginning(offered.release.serial, now())
  }

  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work)
    turn = next.catch(() => undefined) // Whoever asked hears of it.
    return next
  }

  async function keep(next: Rollout): Promise<void> {
    rollout = next
    await writeDurably(progress, JSON.stringify(next))
  }

  const nodesAsKnown = async (): Promise<Updatable[]> => {
    const atWork = await needs.atWork()
    const asked = Object.keys(rollout?.asked ?? {})
    const ids = new Set([...live.keys(), ...asked])
    return [...ids].map((id) => {
      const { serial, failed, onTrial = false } = live.get(id) ?? {}
      const idle = live.has(id) && !atWork.has(id)
      return { id, serial, failed, onTrial, idle, pending: pending.has(id) }
    })
  }

  async function goOn(): Promise<void> {
    if (!offered || !rollout) return
    const nodes = await nodesAsKnown()
    const next = judged(rollout, nodes, now())
    const ids = nextOf(next, nodes)
    const asked = Object.fromEntries(ids.map((id) => [id, now()]))
    const changed = { ...next, asked: { ...next.asked, ...asked } }
    if (JSON.stringify(changed) !== JSON.stringify(rollout)) {
      const touched = new Set([...Object.keys(rollout.asked), ...ids])
      await keep(changed)
      for (const id of touched) needs.changed(id)
    }
    for (const id of ids) ask(id, offered.statement).catch(needs.fault)
  }

  async function ask(node: string, statement: Uint8Array): Promise<void> {
    pending.add(node)
    try {
      const release = base64url(statement)
      await needs.conversation(node)?.request('update', { release }, { deadlineMs: UPDATE_MS })
    } catch (error) {
      pending.delete(node)
      // A link that is lost is what an update looks like; what it was is told when the node is back.
      if (!(error instanceof OcmError)) throw error
      if (['link-lost', 'link-replaced', 'hub-stopping'].includes(error.code)) return
      await inTurn(async () => {
        if (rollout) await keep({ ...rollout, failed: rollout.failed ?? node })
      })
      needs.changed(node)
    }
  }

  const look = () => void inTurn(goOn).catch(needs.fault)
  const timer = setInterval(look, LOOK_EVERY_MS)
  timer.unref()

  const state = (): ReleaseState | null => {
    if (!offered || !rollout) return null
    const { serial, version } = offered.release
    const { offeredAt, done, failed } = rollout
    const kind = failed === null ? 'rolling' : 'stopped'
    return { serial, version, offeredAt, state: kind, done: [...done], failed }
  }

  return {
    file,
    state,
    offer: (bytes) =>
      inTurn(async () => {
        const next = read(bytes)
        if (offered && next.release.serial < offered.release.serial) {
          throw new OcmError('release-refused', { why: 'older than the one that is offered' })
        }
        await writeDurably(file, bytes)
        offered = next
        // Offered again, it starts again, with those that did not go back from it.
        await keep(beginning(next.release.serial, now()))
        look()
        return state() as ReleaseState
      }),
    withdraw: () =>
      inTurn(async () => {
        offered = undefined
        rollout = undefined
        await removeDurably(file)
        await removeDurably(progress)
      }),
    of(node) {
      const runs = live.get(node)
      if (!offered || !rollout) return undefined
      if (rollout.failed === node || runs?.failed === rollout.serial) return 'failed'
      if (node in rollout.asked) return 'asked'
      if (runs?.serial === undefined || runs.serial >= rollout.serial) return undefined
      return 'waiting'
    },
    came(node, session, capabilities) {
      session.handle('release.get', async ({ serial, offset, length }) => {
        if (offered?.release.serial !== serial) throw new OcmError('not-found', { what: 'release' })
        const { program } = offered
        if (offset + length > program.length) throw new OcmError('malformed', { what: 'range' })
        return { result: {}, body: oneOf(program.subarray(offset, offset + length)) }
      })
      pending.delete(node)
      const said = releaseOf(capabilities)
      if (said.serial === undefined) return
      live.set(node, said)
      look()
    },
    left(node) {
      live.delete(node)
      pending.delete(node)
    },
    look,
    stop: () => clearInterval(timer),
  }
}

const PIECE = 64 * 1024

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

const beginning = (serial: number, offeredAt: number): Rollout => ({
  serial,
  offeredAt,
  done: [],
  asked: {},
  failed: null,
})
