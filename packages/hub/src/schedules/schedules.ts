/**
 * Backups by schedule. Needs no key: a backup is sealed on the node. A node that is not there or is at work stays due, so
 * what was missed is made up for once, however often it was missed.
 */
import {
  isTimeZone,
  type NodeSchedule,
  type NodeState,
  nextDue,
  OcmError,
  type Schedule,
} from '@ocm/protocol'
import type { Logger } from 'pino'
import type { Publish } from '../events.ts'
import type { Audit } from '../people/ports.ts'
import type { ScheduleCatalog, StoredSchedule } from './ports.ts'

/** How often there is a look whether anything is due; a node that comes is looked at at once. */
const LOOK_MS = 30_000
/** So many of its backups the hub has at work: after a night without power all nodes are due. */
const AT_ONCE = 4

export interface ScheduleNeeds {
  readonly schedules: ScheduleCatalog
  readonly nodes: () => Promise<readonly NodeState[]>
  /** Whether the hub may log in to a node that is reached over ssh; others of those wait for somebody to lend. */
  readonly isDelegated: (node: string) => Promise<boolean>
  /** How many backups that were begun by schedule have not ended. */
  readonly atWork: () => Promise<number>
  readonly backUp: (node: string) => Promise<void>
  readonly audit: Audit
  readonly publish: Publish
  readonly now: () => number
  readonly log: Logger
}

export interface Schedules {
  /** The first look is now. */
  start(): void
  /** Answered when nothing of it is at work any more. */
  stop(): Promise<void>
  /** One look; never two at once. One that has not begun yet is for all that ask for it. @throws OcmError 'catalog-failed' */
  look(): Promise<void>
  /** @throws OcmError 'malformed' for a time zone that there is not */
  set(node: string, schedule: Schedule | null, by: string): Promise<void>
}

export async function schedulesOf({
  schedules,
  now,
}: Pick<ScheduleNeeds, 'schedules' | 'now'>): Promise<ReadonlyMap<string, NodeSchedule>> {
  const at = now()
  const all = await schedules.schedules()
  return new Map(all.map((one) => [one.node, { schedule: one.schedule, nextAt: dueAt(one, at) }]))
}

/** A clock that was ahead when it last began must not put the next one off for as long. */
const dueAt = ({ node, schedule, since }: StoredSchedule, now: number): number =>
  nextDue(schedule, Math.min(since, now), node)

/** Whether a backup can begin on it now, if it is there. */
const isFree = ({ state, job, movedTo, fence }: NodeState): boolean =>
  state === 'active' && job === null && movedTo === null && fence?.state !== 'held'

export function createSchedules(needs: ScheduleNeeds): Schedules {
  const { schedules, audit, publish, now, log } = needs
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()
  let queued: Promise<void> | undefined
  let stopped = false

  async function lookOnce(): Promise<void> {
    if (stopped) return
    const at = now()
    for (const node of await schedules.handOn(at)) {
      await audit.note({ at, actor: 'schedule', action: 'schedule-handed-on', subject: node })
      publish({ kind: 'node-changed', node })
    }
    const all = await schedules.schedules()
    for (const { node, since } of all) {
      // Begun by a clock that was ahead: from now on it counts from now, or it would not be due before that clock is right.
      if (since > at) await schedules.begun(node, at)
    }
    const due = all
      .map(({ node, ...rest }) => ({ node, at: dueAt({ node, ...rest }, at) }))
      .filter((one) => one.at <= at)
      .toSorted((a, b) => a.at - b.at)
    if (due.length === 0) return
    const nodes = new Map((await needs.nodes()).map((node) => [node.id, node]))
    let places = AT_ONCE - (await needs.atWork())
    for (const { node } of due) {
      const state = nodes.get(node)
      if (places <= 0 || stopped) return
      if (!state || !isFree(state)) continue
      if (!state.online && !(await needs.isDelegated(node))) continue
      places--
      // First the note: one that cannot be written down must not be begun at every look.
      await schedules.begun(node, at)
      await needs.backUp(node)
      publish({ kind: 'node-changed', node })
      log.info({ node }, 'backup by schedule')
    }
  }

  function look(): Promise<void> {
    if (queued) return queued
    const turn = last.then(() => {
      queued = undefined
      return lookOnce()
    })
    queued = turn
    // Whoever asked for it hears of its failure.
    last = turn.catch(() => undefined)
    return turn
  }
  const go = () => {
    look().catch((error: unknown) => log.error({ err: error }, 'schedules failed'))
  }

  return {
    start() {
      go()
      timer = setInterval(go, LOOK_MS)
      timer.unref()
    },
    async stop() {
      stopped = true
      clearInterval(timer)
      await last
    },
    look,
    async set(node, schedule, by) {
      if (schedule?.kind === 'daily' && !isTimeZone(schedule.zone)) {
        throw new OcmError('malformed', { what: 'time zone' })
      }
      const subject = `${node} ${textOf(schedule)}`
      await audit.note({ at: now(), actor: by, action: 'schedule', subject })
      await schedules.setSchedule(node, schedule, now())
      publish({ kind: 'node-changed', node })
    },
  }
}

const textOf = (schedule: Schedule | null): string =>
  schedule === null
    ? 'off'
    : schedule.kind === 'every'
      ? `every ${schedule.hours} h`
      : `daily ${schedule.at} ${schedule.zone}`
