/** What a cron job stands on, by its own JSON. */
import { at, isTree, textAt } from '../tree.ts'
import { type What, modelIn } from './config-ties.ts'

export type Need = readonly [what: What, name: string]

export function needsOfJob(job: unknown): readonly Need[] {
  const found: Need[] = []
  const id = textAt(job, 'agentId')
  if (id !== undefined) found.push(['persona', id])
  const model = textAt(job, 'payload.model')
  if (model !== undefined) found.push(...(modelIn(model) ?? []))
  // Whoever sends nothing needs no channel, and 'last' is whatever was used last.
  for (const delivery of [at(job, 'delivery'), at(job, 'failureAlert')]) {
    const channel = textAt(delivery, 'channel')
    if (!isTree(delivery) || delivery['mode'] === 'none' || channel === undefined) continue
    if (channel !== 'last') found.push(['channel', channel])
  }
  return found
}
