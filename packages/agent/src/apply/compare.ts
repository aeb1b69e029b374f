/** Whether a node has what its snapshot had, by OpenClaw's own lists. */
import type { Inventory, Order } from '@ocm/protocol'

export interface Comparison {
  readonly equal: boolean
  /** What was captured and is not there any more, for the sealed log. */
  readonly lost: readonly string[]
  /** Of these, what has to be there before anything runs; the rest may be made by a start, or come with OpenClaw. */
  readonly missing: readonly string[]
}

/** What OpenClaw makes by itself, and what does not come along in this kind of apply, is left out of the comparison. */
export function compareInventories(
  captured: Inventory,
  now: Inventory,
  kind: Order['kind'],
): Comparison {
  const was = listed(captured, kind)
  const is = listed(now, kind)
  const have = new Set(is)
  const conversations = new Set(conversationsOf(now))
  const lost = [
    ...was.filter((item) => !have.has(item)),
    // A gateway that runs adds conversations by itself.
    ...conversationsOf(captured).filter((item) => !conversations.has(item)),
  ]
  const essential = new Set(essentialOf(now, kind))
  const missing = essentialOf(captured, kind).filter((item) => !essential.has(item))
  return { equal: lost.length === 0 && was.length === is.length, lost, missing }
}

function listed(of: Inventory, kind: Order['kind']): readonly string[] {
  const clone = kind === 'clone'
  const cron = of.cron
    .filter((job) => job.user)
    .map((job) => [
      `cron job ${job.id}`,
      job.name,
      job.persona,
      job.schedule,
      clone ? '' : job.enabled,
    ])
  return [
    ...of.personas.map((name) => `persona ${name}`),
    ...cron.map((job) => job.join(' ')),
    ...(clone ? [] : of.authProfiles.map((name) => `auth profile ${name}`)),
    ...of.plugins.map((name) => `plugin ${name}`),
    ...of.skills.map((name) => `skill ${name}`),
    ...(clone ? [] : of.channels.map((name) => `channel ${name}`)),
    ...(clone ? [] : [`pairings ${of.pairings}`]),
  ]
}

function essentialOf(of: Inventory, kind: Order['kind']): readonly string[] {
  return [
    ...of.personas.map((name) => `persona ${name}`),
    ...of.cron.filter((job) => job.user).map((job) => `cron job ${job.id}`),
    // Which credentials a clone gets is decided elsewhere.
    ...(kind === 'clone' ? [] : of.authProfiles.map((name) => `auth profile ${name}`)),
    ...(kind === 'clone' ? [] : conversationsOf(of)),
  ]
}

const conversationsOf = (of: Inventory): readonly string[] =>
  Object.entries(of.sessions).flatMap(([persona, ids]) =>
    ids.map((id) => `conversation ${persona} ${id}`),
  )
