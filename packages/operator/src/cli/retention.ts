/** `ocm retention`: what stays, and the lock that no policy goes below. */
import { OcmError, type RetentionPolicy, type RetentionState } from '@ocm/protocol'
import type { Context } from './context.ts'
import { count, time } from './format.ts'
import { nodeNamed } from './names.ts'

/** As they are typed. */
export interface PolicyOptions {
  readonly last?: string
  readonly hourly?: string
  readonly daily?: string
  readonly weekly?: string
  readonly monthly?: string
  readonly yearly?: string
  readonly within?: string
}

export async function showRetention({ terminal, ports }: Context): Promise<void> {
  const state = await ports.api.retention()
  const nodes = state.nodes.length === 0 ? [] : await ports.api.nodes()
  const label = (id: string) => nodes.find((node) => node.id === id)?.label ?? id
  const own = state.nodes.map(({ node, policy }) => `  ${label(node)}: ${policyText(policy)}`)
  terminal.result(
    state,
    [`All nodes: ${policyText(state.policy)}`, ...own, ...rest(state)].join('\n'),
  )
}

function rest({ lock, graceHours, ranAt, held }: RetentionState): string[] {
  return [
    `Locked: nothing younger than ${count(lock.days, 'day')}, nor the last ${lock.last} of a node, goes.`,
    `A prune can be taken back for ${count(graceHours, 'hour')}.`,
    `The hub last pruned by itself: ${time(ranAt)}`,
    ...(held === null
      ? []
      : [
          `HELD since ${time(held.since)}: the hub's clock was last believed at ${time(held.lastSeenAt)}. ` +
            'Set it right, or say that it is: ocm retention resume',
        ]),
  ]
}

export function policyText(policy: RetentionPolicy | null): string {
  if (policy === null) return 'no policy, nothing goes'
  const { keepLast = 0, within = 0, ...periods } = policy
  const parts = [
    ...(keepLast > 0 ? [`the last ${keepLast}`] : []),
    ...Object.entries(periods).flatMap(([rule, number]) =>
      number > 0 ? [`${number} ${rule}`] : [],
    ),
    ...(within > 0 ? [`all within ${count(within, 'day')}`] : []),
  ]
  return parts.length === 0 ? 'only what the lock keeps' : `keep ${parts.join(', ')}`
}

/** @param name a node, or undefined for all. */
export async function setPolicy(
  { terminal, ports }: Context,
  name: string | undefined,
  options: PolicyOptions & { readonly keepAll?: boolean; readonly inherit?: boolean },
): Promise<void> {
  const node = name === undefined ? null : await nodeNamed(ports.api, name)
  const policy = options.inherit ? 'inherit' : options.keepAll ? null : policyOf(options)
  if (policy === 'inherit' && node === null) {
    throw new OcmError('wrong-use', { what: '--inherit is for one node: name it with --node' })
  }
  const whose = node === null ? 'all nodes without a policy of their own' : node.label
  const what = policy === 'inherit' ? 'follow the policy of all' : policyText(policy)
  if (
    !(await terminal.approve(`For ${whose}: ${what}. The hub prunes by it once a day. Set it?`))
  ) {
    throw new OcmError('declined')
  }
  const state = await ports.api.setPolicy({ node: node?.id ?? null, policy })
  terminal.result(state, `Set for ${whose}: ${what}.`)
}

function policyOf(options: PolicyOptions): RetentionPolicy {
  const { last, ...named } = options
  const given = { keepLast: last, ...named }
  const policy = Object.fromEntries(
    RULES.flatMap((rule) => {
      const text = given[rule]
      return text === undefined ? [] : [[rule, wholeOf(text, rule === 'keepLast' ? 'last' : rule)]]
    }),
  )
  if (Object.keys(policy).length === 0) {
    throw new OcmError('wrong-use', { what: 'Say what to keep, e.g. --daily 14 --weekly 8' })
  }
  return policy
}

const RULES = ['keepLast', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within'] as const

function wholeOf(text: string, option: string): number {
  if (!/^\d{1,5}$/.test(text)) {
    throw new OcmError('wrong-use', { what: `--${option} takes a whole number` })
  }
  return Number(text)
}

export async function setLock(
  { terminal, ports }: Context,
  options: {
    readonly days?: string
    readonly last?: string
    readonly grace?: string
    readonly lower?: boolean
  },
): Promise<void> {
  const { lock, graceHours } = await ports.api.retention()
  const next = {
    lock: {
      days: options.days === undefined ? lock.days : wholeOf(options.days, 'days'),
      last: options.last === undefined ? lock.last : wholeOf(options.last, 'last'),
    },
    graceHours: options.grace === undefined ? graceHours : wholeOf(options.grace, 'grace'),
  }
  const { lower = false } = options
  if (lower) {
    const sure = await terminal.approve(
      `Now ${lock.days} days, the last ${lock.last}, ${graceHours} hours of grace; ` +
        `then ${next.lock.days} days, the last ${next.lock.last}, ${next.graceHours} hours. ` +
        'What is not locked can be pruned by whoever takes over this hub. Lower it?',
    )
    if (!sure) throw new OcmError('declined')
  }
  const state = await ports.api.setLock({ ...next, lower })
  terminal.result(state, rest(state).slice(0, 2).join('\n'))
}

export async function resumeRetention({ terminal, ports }: Context): Promise<void> {
  const { now } = await ports.api.retention()
  if (!(await terminal.approve(`The hub's clock says ${time(now)}. Is that right?`))) {
    throw new OcmError('declined')
  }
  const state = await ports.api.resumeRetention()
  terminal.result(state, 'The hub goes on.')
}
