/**
 * Hashes stored packs, without any key: a pack is named by its hash, so bit rot shows. The one checked longest ago comes
 * first. Each is looked at within 30 days; a full scrub, asked for by somebody, looks at all of them now. Never faster than
 * so many bytes a second, and not while a node is backed up or restored.
 *
 * What is found is written down and told: a damaged pack counts as missing for the agents, whose next backup stores again
 * what was in it. What its snapshots lose is known to whoever has the keys (`ocm verify`); the hub knows no files.
 */
import type { ScrubState } from '@ocm/protocol'
import type { Logger } from 'pino'
import type { Publish } from '../events.ts'
import type { Packs } from '../nodes/ports.ts'
import type { CheckedPack, KeepingCatalog } from './ports.ts'

const DAY_MS = 86_400_000
/** Packs that came in one night are due between these ages, each at its own by its id: not all in one night again. */
const DUE_FROM_MS = 15 * DAY_MS
const DUE_UNTIL_MS = 29 * DAY_MS
const BYTES_PER_SECOND = 50_000_000
/** Listed together. */
const AT_ONCE = 64
const ROUND_MS = 60_000
const BUSY_MS = 2_000

export interface ScrubNeeds {
  readonly keeping: KeepingCatalog
  readonly packs: Pick<Packs, 'check'>
  /** A node is backed up or restored now. */
  readonly isBusy: () => Promise<boolean>
  readonly publish: Publish
  readonly log: Logger
  readonly now: () => number
  /** Rejects with the signal's reason. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  readonly bytesPerSecond?: number
}

export interface Scrub {
  /** What is due now and then, until it is stopped. */
  start(): void
  stop(): Promise<void>
  /** Checks every pack once; a second call joins the first. Answered when it is under way. */
  startFull(): Promise<void>
  state(): Promise<ScrubState>
  /** Packs and bytes hashed since the start of the process. */
  readonly counted: { readonly packs: number; readonly bytes: number; readonly found: number }
}

interface Full {
  readonly startedAt: number
  readonly ofPacks: number
  readonly ofBytes: number
  packs: number
  bytes: number
  paused: boolean
}

export function createScrub(needs: ScrubNeeds): Scrub {
  const { keeping, packs, isBusy, publish, log, now, pause } = needs
  const rate = needs.bytesPerSecond ?? BYTES_PER_SECOND
  const stopping = new AbortController()
  const counted = { packs: 0, bytes: 0, found: 0 }
  let full: Full | undefined
  let wake: AbortController | undefined
  let loop: Promise<void> = Promise.resolve()

  async function checkOne(pack: CheckedPack): Promise<void> {
    while (await isBusy()) {
      if (full) full.paused = true
      await pause(BUSY_MS, stopping.signal)
    }
    if (full) full.paused = false
    const found = await packs.check(pack.id, pack.bytes)
    await keeping.checked(pack, found, now())
    counted.packs++
    counted.bytes += pack.bytes
    if (full) {
      full.packs++
      full.bytes += pack.bytes
    }
    if ((pack.damage ?? 'whole') !== found) {
      if (found !== 'whole') counted.found++
      log.warn({ pack: pack.id, node: pack.node, found }, 'a stored pack')
      publish({ kind: 'snapshots-changed', node: pack.node })
      publish({ kind: 'keeping-changed' })
    }
    await pause(Math.ceil((pack.bytes / rate) * 1000), stopping.signal)
  }

  async function checkAll(of: Full): Promise<void> {
    for (;;) {
      const list = await keeping.leastChecked(of.startedAt, now(), AT_ONCE)
      if (list.length === 0) break
      for (const pack of list) await checkOne(pack)
    }
    full = undefined
    await keeping.saveSettings({ scrubbedAt: now() })
    publish({ kind: 'keeping-changed' })
  }

  async function checkDue(): Promise<void> {
    const at = now()
    for (const pack of await keeping.leastChecked(at - DUE_FROM_MS, at, AT_ONCE)) {
      if (full) return
      const age = at - pack.checkedAt
      const isDue = age < 0 || age >= DUE_FROM_MS + placeOf(pack.id) * (DUE_UNTIL_MS - DUE_FROM_MS)
      if (isDue) await checkOne(pack)
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const round = new AbortController()
      wake = round
      try {
        if (full) await checkAll(full)
        else await checkDue()
        if (full) continue
      } catch (error) {
        if (stopping.signal.aborted) return
        log.error({ err: error }, 'scrub failed')
      }
      await pause(ROUND_MS, AbortSignal.any([stopping.signal, round.signal])).catch(() => undefined)
    }
  }

  return {
    counted,
    start() {
      loop = run()
    },
    async stop() {
      stopping.abort(new Error('the hub stops'))
      await loop
    },
    async startFull() {
      if (full) return
      const { live, tombstoned } = await keeping.packCounts()
      full ??= {
        startedAt: now(),
        ofPacks: live.packs + tombstoned.packs,
        ofBytes: live.bytes + tombstoned.bytes,
        packs: 0,
        bytes: 0,
        paused: false,
      }
      wake?.abort(new Error('a full one'))
      publish({ kind: 'keeping-changed' })
    },
    async state() {
      const { live, tombstoned, oldestCheckAt } = await keeping.packCounts()
      const { scrubbedAt } = await keeping.settings()
      return {
        running: full ? { ...full } : null,
        endedAt: scrubbedAt,
        packs: live.packs + tombstoned.packs,
        bytes: live.bytes + tombstoned.bytes,
        oldestCheckAt,
        damage: await keeping.damage(),
        snapshots: await keeping.hit(),
      }
    },
  }
}

/** From 0 up to 1, the same for the same pack. */
const placeOf = (id: string) => Number.parseInt(id.slice(0, 8), 16) / 0x1_0000_0000
