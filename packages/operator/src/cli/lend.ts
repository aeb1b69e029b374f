/** `ocm lend` and `ocm leases`: credentials that the hub has for the length of a job. */
import { type NodeState, OcmError, type SshLease } from '@ocm/protocol'
import { lasts } from '../ssh/lease.ts'
import { type Context, withVault } from './context.ts'
import { short, table, time } from './format.ts'
import { lenderAt } from './lending.ts'
import { findNode } from './names.ts'
import type { CredentialOptions } from './ssh-secrets.ts'

/** For a job that waits, or a look around: the hub connects now. */
export async function lend(
  context: Context,
  name: string,
  options: CredentialOptions,
): Promise<void> {
  const { terminal, ports } = context
  const node = findNode(await ports.api.nodes(), name)
  if (node.reach !== 'ssh') throw new OcmError('node-not-ssh')
  await withVault(context, async (unlocked) => {
    const lender = lenderAt(context, unlocked, options)
    try {
      await lender.connect([node.id])
    } finally {
      // The lease is to outlast this command: the hub ends it.
      lender.forget()
    }
  })
  const lease = (await ports.api.leases()).find((one) => one.node === node.id && lasts(one))
  terminal.result(
    lease ?? null,
    lease === undefined
      ? `${node.label} is connected.`
      : `${node.label} is connected${lease.held ? `, and the credential on loan until ${time(lease.until)}` : '; the credential is given back'}. End it: ocm leases end ${short(lease.id)}`,
  )
}

export async function listLeases({ terminal, ports }: Context): Promise<void> {
  const [leases, nodes] = [await ports.api.leases(), await ports.api.nodes()]
  const rows = leases.map((lease) => [
    short(lease.id),
    labelOf(nodes, lease.node),
    lease.job === null ? '-' : short(lease.job),
    stateText(lease),
    lease.held ? `until ${time(lease.until)}` : 'no',
    lease.by,
    time(lease.since),
  ])
  const shown = table(['LEASE', 'NODE', 'JOB', 'STATE', 'ON LOAN', 'BY', 'SINCE'], rows)
  terminal.result(leases, leases.length === 0 ? 'No credential is on loan.' : shown)
}

const labelOf = (nodes: readonly NodeState[], id: string | null) =>
  id === null ? '(new)' : (nodes.find((node) => node.id === id)?.label ?? short(id))

function stateText({ state, problem, purpose, origin }: SshLease): string {
  const how = origin === 'delegated' ? ', delegated' : purpose === 'look' ? ', a look' : ''
  return problem === null ? `${state}${how}` : `${state}${how} (${problem.code})`
}

/** @param name of a lease or of a node; without it, every one. */
export async function endLeases(context: Context, name: string | undefined): Promise<void> {
  const { terminal, ports } = context
  const [leases, nodes] = [await ports.api.leases(), await ports.api.nodes()]
  const fitting = leases.filter((lease) => {
    if (!lasts(lease)) return false
    if (name === undefined) return true
    return lease.id.startsWith(name) || [labelOf(nodes, lease.node), lease.node].includes(name)
  })
  if (fitting.length === 0 && name !== undefined) throw new OcmError('not-found', { what: 'lease' })
  const ended: SshLease[] = []
  for (const { id } of fitting) ended.push(await ports.api.endLease(id))
  const which = ended.map(({ node }) => labelOf(nodes, node)).join(', ')
  terminal.result(
    ended,
    ended.length === 0
      ? 'No credential is on loan.'
      : `Released: ${which}. The credential is overwritten at the hub, and its process has ended.`,
  )
}
