/** `ocm schedule`: when the hub backs nodes up by itself. Needs no key. */
import { type NodeState, OcmError, type Schedule } from '@ocm/protocol'
import type { Context } from './context.ts'
import { count, table, time } from './format.ts'
import { nodeNamed } from './names.ts'

/** As they are typed. */
export interface ScheduleOptions {
  readonly daily?: string
  readonly every?: string
  readonly zone?: string
  readonly off?: boolean
}

/** Without an option it shows what is set. */
export async function schedule(
  { terminal, ports }: Context,
  name: string | undefined,
  options: ScheduleOptions,
): Promise<void> {
  const { api } = ports
  const wanted = wantedBy(options)
  if (wanted === undefined) {
    const nodes = name === undefined ? await api.nodes() : [await nodeNamed(api, name)]
    const rows = nodes
      .filter(({ state }) => state !== 'revoked')
      .map((node) => [
        node.label,
        scheduleText(node.schedule?.schedule),
        nextText(node, ports.now()),
      ])
    const states = nodes.map(({ id, label, schedule: set = null }) => ({ id, label, ...set }))
    return terminal.result(states, table(['NODE', 'SCHEDULE', 'NEXT'], rows))
  }
  if (name === undefined) throw new OcmError('wrong-use', { what: 'Name the node' })
  const { id } = await nodeNamed(api, name)
  const node = await api.setSchedule(id, wanted)
  terminal.result(
    node,
    node.schedule === undefined
      ? `${node.label} is backed up only when somebody asks for it.`
      : `${node.label} is backed up ${scheduleText(node.schedule.schedule)}, next ${nextText(node, ports.now())}.`,
  )
}

function wantedBy({ daily, every, zone, off }: ScheduleOptions): Schedule | null | undefined {
  if ([daily, every, off].filter((one) => one !== undefined).length > 1) {
    throw new OcmError('wrong-use', { what: 'Give one of --daily, --every and --off' })
  }
  if (zone !== undefined && daily === undefined) {
    throw new OcmError('wrong-use', { what: '--zone goes with --daily' })
  }
  if (off) return null
  if (daily !== undefined) {
    const [, hour = '', minute = ''] = /^(\d{1,2}):(\d\d)$/.exec(daily) ?? []
    if (hour === '' || Number(hour) > 23 || Number(minute) > 59) {
      throw new OcmError('wrong-use', { what: '--daily takes a time of day, like 03:00' })
    }
    const ours = Intl.DateTimeFormat().resolvedOptions().timeZone
    return { kind: 'daily', at: `${hour.padStart(2, '0')}:${minute}`, zone: zone ?? ours }
  }
  if (every !== undefined) {
    const [, number = '', unit = ''] = /^(\d{1,3})(h|d)$/.exec(every) ?? []
    const hours = Number(number) * (unit === 'd' ? 24 : 1)
    if (number === '' || hours < 1 || hours > 168) {
      throw new OcmError('wrong-use', { what: '--every takes 1h to 168h, or 1d to 7d' })
    }
    return { kind: 'every', hours }
  }
  return undefined
}

const scheduleText = (set: Schedule | undefined): string =>
  set === undefined
    ? '-'
    : set.kind === 'every'
      ? `every ${count(set.hours, 'hour')}`
      : `daily at ${set.at} (${set.zone})`

/** When the next one is; a missed one waits for the node. */
export function nextText({ schedule: set, online, movedTo }: NodeState, now: number): string {
  if (set === undefined || movedTo !== null) return '-'
  if (set.nextAt > now) return time(set.nextAt)
  return online ? 'now' : `when it is connected (due ${time(set.nextAt)})`
}
