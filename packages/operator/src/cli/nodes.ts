/** `ocm nodes`: what there is, and which of it the vault trusts. */
import {
  type FingerprintKind,
  type NodeState,
  OcmError,
  fingerprint,
  fromBase64url,
} from '@ocm/protocol'
import { confirmByFingerprint, confirmNodes, retireNode } from '../vault/nodes.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { findNode, nodeNamed } from './names.ts'
import { nextText } from './schedule.ts'

export async function listNodes({ terminal, ports }: Context): Promise<void> {
  const nodes = await ports.api.nodes()
  const rows = nodes.map((node) => [
    node.label,
    short(node.id),
    stateOf(node),
    node.lastSnapshot === null
      ? '-'
      : `${time(node.lastSnapshot.receivedAt)} (${bytes(node.lastSnapshot.bytes)})`,
    nextText(node, ports.now()),
    `${node.agentVersion}${UPDATES[node.update ?? 'none']}`,
  ])
  const shown = table(['NODE', 'ID', 'STATE', 'LAST SNAPSHOT', 'NEXT BACKUP', 'AGENT'], rows)
  terminal.result(
    nodes,
    nodes.length === 0
      ? 'No nodes yet: ocm ticket makes a join string.'
      : [shown, ...twinLines(nodes)].join('\n'),
  )
}

const UPDATES = {
  none: '',
  waiting: ' (update waits)',
  asked: ' (updating)',
  failed: ' (update went back)',
} as const

/** One line for each pair that goes by one identity. */
export function twinLines(nodes: readonly NodeState[]): readonly string[] {
  const label = (id: string) => nodes.find((node) => node.id === id)?.label ?? short(id)
  return nodes.flatMap(({ id, label: one, twins = [] }) =>
    twins
      .filter(({ node }) => id < node)
      .map(({ node, kinds }) => {
        const shared = kinds.map((kind) => SHARED[kind]).join(', ')
        return `ALARM: ${one} and ${label(node)} go by one identity (${shared}). Stop one of them and give it its own, or retire it: ocm nodes retire NODE`
      }),
  )
}

const SHARED: Readonly<Record<FingerprintKind, string>> = {
  'bot-token': 'the same bot token',
  'device-key': 'the same device key',
  'channel-account': 'the same account of a channel',
}

function stateOf(node: NodeState): string {
  if (node.state !== 'active') return node.state
  if (node.fence?.state === 'held') return 'stopped for a move that has no end'
  const unfenced = node.fence?.state === 'owed' ? ', unfenced' : ''
  if (node.movedTo !== null) return `moved to ${short(node.movedTo)}${unfenced}`
  const link = node.online ? 'online' : 'offline'
  const isUnchecked = node.checked === false && node.lastSnapshot !== null
  const notes = [
    ...(node.confirmed ? [] : ['unconfirmed']),
    ...((node.twins ?? []).length === 0 ? [] : ['TWIN']),
    ...(isUnchecked ? ['identity not checked'] : []),
  ]
  return [link, ...notes].join(', ')
}

const brief = ({ id, label }: NodeState) => ({ id, label })

/** Without a name: every node that can prove itself. With one: that node, by the fingerprint it shows. */
export async function confirm(
  context: Context,
  name: string | undefined,
  given: { readonly fingerprint?: string },
): Promise<void> {
  const { terminal, ports } = context
  await withVault(context, async (unlocked) => {
    const outcome = await confirmNodes(ports, unlocked)
    const nodes = await ports.api.nodes()
    if (name === undefined) {
      const listed = nodes.filter(({ id }) => unlocked.record.nodes.some((node) => node.id === id))
      terminal.result(
        {
          confirmed: listed.map(brief),
          unproven: outcome.unproven.map(brief),
          alarms: outcome.alarms.map(brief),
        },
        `${count(listed.length, 'node')} confirmed, ${outcome.unproven.length} to be confirmed by fingerprint.`,
      )
      if (outcome.alarms.length > 0) throw new OcmError('node-unconfirmed')
      return
    }
    const node = findNode(nodes, name)
    if (unlocked.record.nodes.some(({ id }) => id === node.id)) {
      return terminal.result(
        { id: node.id, label: node.label, confirmed: true },
        'It is confirmed.',
      )
    }
    if (outcome.alarms.some(({ id }) => id === node.id)) throw new OcmError('node-unconfirmed')
    const shown = fingerprint(ports.p, fromBase64url(node.key))
    terminal.say(`The hub shows this fingerprint for ${node.label}:\n\n  ${shown}\n`)
    const typed =
      given.fingerprint ??
      (await terminal.ask('Fingerprint as `ocm-agent status` shows it on the node', 'shown'))
    await confirmByFingerprint(ports, unlocked, node, typed)
    terminal.result(
      { id: node.id, label: node.label, confirmed: true },
      `${node.label} is confirmed.`,
    )
  })
}

export async function retire(context: Context, name: string): Promise<void> {
  const { terminal, ports } = context
  const node = await nodeNamed(ports.api, name)
  const sure = await terminal.approve(
    `Retire ${node.label}? It will not be let in again; its snapshots stay.`,
  )
  if (!sure) throw new OcmError('declined')
  await withVault(context, async (unlocked) => {
    await retireNode(ports, unlocked, node)
    terminal.result(
      { id: node.id, label: node.label, state: 'revoked' },
      `${node.label} is retired.`,
    )
  })
}

export async function readmit({ terminal, ports }: Context, name: string): Promise<void> {
  const node = await nodeNamed(ports.api, name)
  const sure = await terminal.approve(
    `Two machines used the identity of ${node.label}. Is one of them stopped for good? The other is let in again.`,
  )
  if (!sure) throw new OcmError('declined')
  const { id, label, state } = await ports.api.readmitNode(node.id)
  terminal.result(
    { id, label, state },
    `${label} is let in when it comes, within a quarter of an hour.`,
  )
}

export async function rename(
  { terminal, ports }: Context,
  name: string,
  label: string,
): Promise<void> {
  const node = await nodeNamed(ports.api, name)
  const renamed = await ports.api.renameNode(node.id, label)
  terminal.result(renamed, `${node.label} is now ${renamed.label}.`)
}
