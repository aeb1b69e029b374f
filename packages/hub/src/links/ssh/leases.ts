/** The pool: which leases there are, so many at a time, and when each of them ends. */
import {
  type Clock,
  type Hello,
  type HubLinkOptions,
  type Job,
  type KeyPair,
  type LiveEvent,
  OcmError,
  type Primitives,
  type SshLease,
  type SshLeaseRequest,
  type Welcome,
  base64url,
  isFinal,
  newId,
  nodesOf,
} from '@ocm/protocol'
import type { Publish } from '../../events.ts'
import { writeAskpass } from './askpass.ts'
import { Lease, isOver } from './lease.ts'
import { packBundle } from './packed.ts'
import type { Leases, SshNodes } from './ports.ts'
import { checkSsh } from './present.ts'
import { clearRooms, roomsOf } from './rooms.ts'

export interface LeaseNeeds {
  readonly p: Primitives
  readonly clock: Clock
  readonly now: () => number
  readonly identity: KeyPair
  readonly accept: (agentKey: Uint8Array, hello: Hello) => Promise<Welcome>
  readonly onSession: HubLinkOptions['onSession']
  readonly fault: (error: unknown) => void
  /** Whether a job of this node has not ended, as it is now. */
  readonly isAtWork: (node: string | null) => Promise<boolean>
}

export interface PoolNeeds extends Omit<LeaseNeeds, 'isAtWork'> {
  readonly data: string
  /** The agent's program; undefined when it does not lie beside the hub's. */
  readonly bundle: string | undefined
  readonly nodes: SshNodes
  /** Where the key lies that delegations are sealed to. */
  readonly delegateKeyFile: string
  readonly publish: Publish
  readonly subscribe: (listener: Publish) => () => void
  /** The oldest job of each node that has not ended. */
  readonly jobsAtWork: () => Promise<ReadonlyMap<string, string>>
  readonly isOnline: (node: string) => boolean
  readonly most?: number
}

const MOST = 8
/** How long one that is over is still shown. */
const SHOWN_MS = 60 * 60_000
/** A delegated node that could not be reached is dialled again after this, and after twice as long each time. */
const AGAIN_MS = 30_000
const MOST_AGAIN_MS = 10 * 60_000
const PASSING: ReadonlySet<string> = new Set(['ssh-unreachable', 'ssh-busy', 'link-lost'])
/** For what is said to a node when its job has ended. */
const AFTER_JOB_MS = 1_000

export function createLeases(needs: PoolNeeds): Leases {
  const { p, now, nodes, publish, data, bundle } = needs
  const most = needs.most ?? MOST
  const leases = new Map<string, Lease>()
  /** Delegated nodes for which there was no room. */
  const queue = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  /** Of delegated nodes: the next pause, and who is told that somebody has to lend after all. */
  const pauses = new Map<string, number>()
  const askers = new Map<string, () => Promise<void>>()
  let atWork: ReadonlyMap<string, string> = new Map()
  const askpass = keptOnce(() => writeAskpass(data))
  const packed = bundle === undefined ? undefined : keptOnce(() => packBundle(data, bundle))
  const rooms = roomsOf(data)
  let stopped = false
  clearRooms(rooms)

  const isAtWork = async (node: string | null) => {
    atWork = await needs.jobsAtWork()
    return node !== null && atWork.has(node)
  }
  const lasting = () => [...leases.values()].filter(({ shown }) => !isOver(shown))
  const withJob = (lease: SshLease): SshLease => ({
    ...lease,
    job: (lease.node !== null && atWork.get(lease.node)) || null,
  })

  function changed(lease: SshLease): void {
    publish({ kind: 'lease-changed', lease: withJob(lease) })
    if (lease.state === 'connected' && lease.node !== null) {
      pauses.delete(lease.node)
      askers.delete(lease.node)
      nodes.mark(lease.node).catch(needs.fault)
    }
    if (lease.state === 'failed' && lease.origin === 'delegated' && lease.node !== null)
      dialFailed(lease.node, lease.problem?.code)
    if (isOver(lease)) dialQueued()
  }

  function dialFailed(node: string, code: string | undefined): void {
    if (code === undefined || !PASSING.has(code)) {
      const ask = askers.get(node)
      askers.delete(node)
      ask?.().catch(needs.fault)
      return
    }
    const wait = pauses.get(node) ?? AGAIN_MS
    pauses.set(node, Math.min(wait * 2, MOST_AGAIN_MS))
    later(wait, async () => {
      atWork = await needs.jobsAtWork()
      if (atWork.has(node)) dialSoon(node)
      else pauses.delete(node)
    })
  }

  function later(ms: number, act: () => Promise<void>): void {
    if (stopped) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      act().catch(needs.fault)
    }, ms)
    timers.add(timer)
  }

  /** It has not begun yet: what fails from then on is said as a change of it. */
  async function open(
    request: SshLeaseRequest,
    origin: SshLease['origin'],
    by: string,
  ): Promise<Lease> {
    const look = request.purpose === 'look'
    if (!look && !packed) throw new OcmError('ssh-no-bundle')
    await checkSsh()
    const paths = { askpass: await askpass(), bundle: look || !packed ? null : await packed() }
    // From here to where it is counted nothing is waited for: two that ask at once do not both get the last place.
    if (stopped) throw new OcmError('hub-stopping')
    forgetOld()
    if (lasting().length >= most) throw new OcmError('ssh-busy', { most })
    const id = newId(p)
    const task = { lease: id, look, rooms, ...paths }
    const made = new Lease({ ...needs, isAtWork }, { id, ...request, origin, by, task }, changed)
    leases.set(id, made)
    return made
  }

  function forgetOld(): void {
    for (const [id, { shown }] of leases) {
      if (shown.endedAt !== null && shown.endedAt < now() - SHOWN_MS) leases.delete(id)
    }
  }

  function find(id: string): Lease {
    const lease = leases.get(id)
    if (!lease) throw new OcmError('not-found', { what: 'lease' })
    return lease
  }

  async function dialDelegated(node: string): Promise<void> {
    const entry = await nodes.one(node)
    const isThere = lasting().some(({ shown }) => shown.node === node)
    if (!entry?.delegation || isThere || needs.isOnline(node)) return
    const { sealed, by } = entry.delegation
    const lease = await open({ node, purpose: 'work' }, 'delegated', by).catch((error: unknown) =>
      notOpened(node, error),
    )
    if (!lease) return
    await lease.begin()
    lease.delegated(node, base64url(sealed), needs.delegateKeyFile)
  }

  /** There is no lease that would show it. */
  function notOpened(node: string, error: unknown): void {
    const code = error instanceof OcmError ? error.code : undefined
    if (code !== 'ssh-busy') needs.fault(error)
    // Nobody is asked for what only waits for the next start.
    if (!stopped) dialFailed(node, code)
  }

  function dialSoon(node: string): void {
    if (lasting().length >= most) return void queue.add(node)
    dialDelegated(node).catch(needs.fault)
  }

  function dialQueued(): void {
    const [next] = queue
    if (next === undefined || stopped) return
    queue.delete(next)
    dialSoon(next)
  }

  /** Those of its nodes for which there is nothing more to do are let go of. */
  async function jobEnded({ node, source }: Job, connected: readonly Lease[]): Promise<void> {
    atWork = await needs.jobsAtWork()
    const done = [node, source].filter((one) => one !== null && !atWork.has(one))
    const over = connected.filter(({ shown }) => done.includes(shown.node))
    await Promise.all(over.map((lease) => lease.release()))
  }

  async function releaseOf(node: string): Promise<void> {
    const over = lasting().filter(({ shown }) => shown.node === node)
    await Promise.all(over.map((lease) => lease.release()))
  }

  const unsubscribe = needs.subscribe((event: LiveEvent) => {
    if (event.kind !== 'job-changed') return
    const { job } = event
    if (!isFinal(job.state)) {
      // Known at once: a lease whose time is up asks for it. A move is at work on both of its nodes.
      const fresh = nodesOf(job).filter((node) => !atWork.has(node))
      atWork = new Map([...atWork, ...fresh.map((node) => [node, job.id] as const)])
      return
    }
    // One that is asked for meanwhile is for what comes next.
    const connected = lasting().filter((one) => one.shown.state === 'connected')
    later(AFTER_JOB_MS, () => jobEnded(job, connected))
  })

  return {
    async issue(request, by) {
      const lease = await open(request, 'lent', by)
      const key = await lease.begin()
      return { lease: lease.shown.id, key, until: lease.shown.until }
    },
    lend(id, sealed) {
      const lease = find(id)
      lease.lend(sealed)
      return withJob(lease.shown)
    },
    async list() {
      forgetOld()
      atWork = await needs.jobsAtWork()
      return [...leases.values()].map(({ shown }) => withJob(shown)).toReversed()
    },
    async release(id) {
      const lease = find(id)
      await lease.release()
      return withJob(lease.shown)
    },
    releaseOf,
    async wanted(node, asks) {
      const entry = await nodes.one(node)
      if (!entry) return false
      if (!entry.delegation) return true
      if (asks) askers.set(node, asks)
      dialSoon(node)
      return false
    },
    async lockOut(node) {
      for (const known of [queue, pauses, askers]) known.delete(node)
      const entry = await nodes.one(node)
      if (entry) await nodes.put({ ...entry, credential: null, delegation: null })
      await releaseOf(node)
    },
    async stop() {
      stopped = true
      unsubscribe()
      for (const timer of timers) clearTimeout(timer)
      await Promise.all(lasting().map((lease) => lease.release()))
    },
  }
}

/** What failed is not kept: whoever is next tries again. */
function keptOnce<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
