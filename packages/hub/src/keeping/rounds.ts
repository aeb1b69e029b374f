/** What the hub does by itself: prune once a day where a policy is set, give space back, and keep an eye on its clock. */
import type { Logger } from 'pino'
import { isAhead } from './clock.ts'
import { collect, type CollectNeeds } from './collect.ts'
import type { KeepingCatalog } from './ports.ts'
import { prune, type PruneNeeds } from './prune.ts'

const DAY_MS = 86_400_000
/** How often there is a look whether anything is due. */
const ROUND_MS = 10 * 60_000

export interface RoundNeeds extends PruneNeeds, Omit<CollectNeeds, 'keeping' | 'snapshots'> {
  readonly keeping: KeepingCatalog
  readonly snapshots: PruneNeeds['snapshots'] & CollectNeeds['snapshots']
  readonly log: Logger
}

export interface Rounds {
  /** The first look is now. */
  start(): void
  /** Answered when nothing of it is at work any more. */
  stop(): Promise<void>
  /** One look. Never two at once. @throws OcmError 'catalog-failed', 'store-failed' */
  round(): Promise<void>
}

export function createRounds(needs: RoundNeeds): Rounds {
  const { keeping, log, now } = needs
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()

  async function look(): Promise<void> {
    const at = now()
    if (!(await isBelieved(at))) return
    const { ranAt } = await keeping.settings()
    const isSet = (await keeping.policies()).some(({ policy }) => policy !== null)
    // A clock that was set back must not put the next one off for as long.
    if (isSet && (ranAt === null || Math.abs(at - ranAt) >= DAY_MS)) {
      const { pruned } = await prune(needs, undefined, 'retention')
      await keeping.saveSettings({ ranAt: at })
      needs.publish({ kind: 'keeping-changed' })
      log.info({ pruned: pruned.length }, 'pruned')
    }
    const collected = await collect(needs, at)
    if (Object.values(collected).some((count) => count > 0)) log.info(collected, 'collected')
  }

  async function isBelieved(at: number): Promise<boolean> {
    const { seenAt, heldAt } = await keeping.settings()
    // A catalog that has never looked knows at least when it last took something in.
    const before = seenAt ?? (await keeping.newestReceivedAt()) ?? at
    if (isAhead(at, before)) {
      if (heldAt === null) {
        log.warn({ now: at, seenAt: before }, 'the clock is too far ahead: nothing is pruned')
        await keeping.saveSettings({ heldAt: at, seenAt: before })
      }
      return false
    }
    // Not back: a machine without a battery starts in the past, and is no less to be believed when it has been told.
    await keeping.saveSettings({ seenAt: Math.max(at, before), heldAt: null })
    return true
  }

  function round(): Promise<void> {
    const turn = last.then(look)
    // Whoever asked for it hears of its failure.
    last = turn.catch(() => undefined)
    return turn
  }
  const go = () => {
    round().catch((error: unknown) => log.error({ err: error }, 'keeping failed'))
  }

  return {
    start() {
      go()
      timer = setInterval(go, ROUND_MS)
      timer.unref()
    },
    async stop() {
      clearInterval(timer)
      await last
    },
    round,
  }
}
