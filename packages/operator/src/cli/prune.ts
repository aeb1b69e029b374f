/** `ocm prune`, `pin` and `unpin`: what goes, after it was looked at, and what stays whatever the policy says. */
import { OcmError, type PrunePreview } from '@ocm/protocol'
import type { Context } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { nodeNamed, snapshotNamed } from './names.ts'
import { policyText } from './retention.ts'

export interface PruneOptions {
  readonly all?: boolean
  readonly apply?: boolean
  /** A snapshot that was pruned. */
  readonly undo?: string
}

export async function prune(
  context: Context,
  name: string | undefined,
  options: PruneOptions,
): Promise<void> {
  if (options.undo !== undefined) return undo(context, options.undo)
  const { terminal, ports } = context
  const { api } = ports
  if ((name === undefined) === (options.all !== true)) {
    throw new OcmError('wrong-use', { what: 'Name a node, or say --all' })
  }
  const nodes = await api.nodes()
  const node = name === undefined ? undefined : await nodeNamed(api, name)
  const preview = await api.prunePreview(node?.id)
  const labels = new Map(nodes.map(({ id, label }) => [id, label]))
  const shown = previewText(preview, labels)
  const going = goingIn(preview)
  if (options.apply !== true || going.length === 0) {
    return terminal.result(
      preview,
      going.length === 0 ? shown : `${shown}\nNothing was changed: --apply does it.`,
    )
  }
  terminal.say(shown)
  if (!(await terminal.approve(`Prune ${count(going.length, 'snapshot')}?`))) {
    throw new OcmError('declined')
  }
  const result = await api.prune(going)
  const kept = result.kept.length === 0 ? '' : `, ${result.kept.length} found a reason to stay`
  terminal.result(
    result,
    `${count(result.pruned.length, 'snapshot')} pruned${kept}. ` +
      `For ${count(preview.graceHours, 'hour')} it can be taken back: ocm prune --undo SNAPSHOT`,
  )
}

const goingIn = ({ nodes }: PrunePreview): string[] =>
  nodes.flatMap(({ snapshots }) =>
    snapshots.filter(({ keep }) => keep.length === 0).map(({ id }) => id),
  )

function previewText(
  { nodes, lock, graceHours }: PrunePreview,
  labels: ReadonlyMap<string, string>,
): string {
  const parts = nodes.map(({ node, policy, snapshots, bytes: size }) => {
    const going = snapshots.filter(({ keep }) => keep.length === 0).length
    const rows = snapshots.map(({ id, receivedAt, keep }) => [
      short(id),
      time(receivedAt),
      keep.length === 0 ? 'goes' : 'stays',
      keep.join(', '),
    ])
    return [
      `${labels.get(node) ?? short(node)}: ${policyText(policy)}`,
      table(['SNAPSHOT', 'TAKEN', '', 'WHY'], rows),
      `${going} of ${count(snapshots.length, 'snapshot')} would go; ${bytes(size)} return after ${count(graceHours, 'hour')}.`,
    ].join('\n')
  })
  const locked = `Locked: ${count(lock.days, 'day')}, and the last ${lock.last} of each node.`
  return parts.length === 0 ? 'No snapshots yet.' : [...parts, locked].join('\n\n')
}

async function undo({ terminal, ports }: Context, name: string): Promise<void> {
  const { id } = await snapshotNamed(ports.api, name, undefined, { pruned: true })
  const snapshot = await ports.api.undoPrune(id)
  terminal.result(snapshot, `${short(id)} is back.`)
}

export async function pin({ terminal, ports }: Context, name: string): Promise<void> {
  const { id } = await snapshotNamed(ports.api, name)
  terminal.result(await ports.api.pin(id), `${short(id)} stays, whatever the policy says.`)
}

export async function unpin({ terminal, ports }: Context, name: string): Promise<void> {
  const { id } = await snapshotNamed(ports.api, name)
  terminal.result(await ports.api.unpin(id), `${short(id)} follows the policy again.`)
}
