/** The nodes as people see them, and what people decide about them. */
import {
  base64url,
  equal,
  type ErrorCode,
  type NodeSchedule,
  type NodeState,
  OcmError,
  oneIsLeft,
} from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { CloseLink, Node, NodeCatalog, NodeStanding, SnapshotCatalog } from './ports.ts'
import type { Presence } from './presence.ts'
import type { createTwins } from './twins.ts'
import type { VaultKeeper } from './vault.ts'

export interface RosterNeeds {
  readonly catalog: NodeCatalog
  readonly snapshots: SnapshotCatalog
  readonly presence: Presence
  readonly vault: VaultKeeper
  readonly publish: Publish
  readonly closeLink: CloseLink
  /** The job at work on each node. */
  readonly jobsAtWork: () => Promise<ReadonlyMap<string, string>>
  readonly twins: ReturnType<typeof createTwins>
  /** See NodeState.fence. */
  readonly fences: () => Promise<ReadonlyMap<string, NonNullable<NodeState['fence']>>>
  readonly schedules: () => Promise<ReadonlyMap<string, NodeSchedule>>
  /** Those that are reached over ssh. */
  readonly overSsh: () => Promise<ReadonlySet<string>>
  /** See NodeState.update. */
  readonly update: (node: string) => NodeState['update']
  /** Jobs that wait for this node wait in vain. */
  readonly gone: (node: string, why: ErrorCode) => void
  /** What is kept to log in there is dropped, and its leases end. */
  readonly lockOut: (node: string) => Promise<void>
}

export interface Roster {
  list(): Promise<NodeState[]>
  /** @throws OcmError 'node-unknown' */
  one(id: string): Promise<NodeState>
  /** @throws OcmError 'node-unknown' */
  rename(id: string, label: string): Promise<NodeState>
  /** It is not let in again. @throws OcmError 'node-unknown' */
  retire(id: string): Promise<NodeState>
  quarantine(id: string): Promise<void>
  /** Of two machines with its identity one is left, which is let in again. @throws OcmError 'node-unknown', 'node-revoked' */
  readmit(id: string): Promise<NodeState>
  /** After a new vault record: retires whom it revokes. */
  judge(): Promise<void>
}

export function createRoster(needs: RosterNeeds): Roster {
  const { catalog, snapshots, presence, vault, publish, closeLink } = needs

  async function states(nodes: readonly Node[]): Promise<NodeState[]> {
    const [newest, jobs, fences, schedules, overSsh] = await Promise.all([
      snapshots.newestOfEach(),
      needs.jobsAtWork(),
      needs.fences(),
      needs.schedules(),
      needs.overSsh(),
    ])
    const standing = await needs.twins(await catalog.nodes(), newest)
    return nodes.map((node) => ({
      id: node.id,
      label: node.label,
      key: base64url(node.key),
      confirmed: vault.isConfirmed(node),
      state: node.state,
      online: presence.get(node.id) !== undefined,
      reach: overSsh.has(node.id) ? 'ssh' : 'agent',
      lastSeenAt: node.lastSeenAt,
      enrolledAt: node.enrolledAt,
      agentVersion: node.agentVersion,
      ...updateOf(needs.update(node.id)),
      movedTo: node.movedTo,
      lastSnapshot: newest.get(node.id) ?? null,
      job: jobs.get(node.id) ?? null,
      ...fenceOf(fences.get(node.id)),
      ...scheduleOf(schedules.get(node.id)),
      twins: standing.get(node.id)?.twins ?? [],
      checked: standing.get(node.id)?.checked ?? false,
      proof: { ticket: base64url(node.ticket), enrolment: base64url(node.enrolment) },
    }))
  }

  async function one(id: string): Promise<NodeState> {
    const node = await catalog.node(id)
    const [state] = node ? await states([node]) : []
    if (!state) throw new OcmError('node-unknown')
    return state
  }

  async function setState(id: string, state: NodeStanding, why: ErrorCode): Promise<void> {
    await catalog.setState(id, state)
    closeLink(id, why)
    needs.gone(id, why)
    publish({ kind: 'node-changed', node: id })
  }

  async function revoke(id: string): Promise<void> {
    await setState(id, 'revoked', 'node-revoked')
    await needs.lockOut(id)
  }

  return {
    list: async () => states(await catalog.nodes()),
    one,
    async rename(id, label) {
      await one(id)
      await catalog.setLabel(id, label)
      publish({ kind: 'node-changed', node: id })
      return one(id)
    },
    async retire(id) {
      if ((await one(id)).state !== 'revoked') await revoke(id)
      return one(id)
    },
    quarantine: (id) => setState(id, 'quarantined', 'node-cloned'),
    async readmit(id) {
      const node = await catalog.node(id)
      if (!node) throw new OcmError('node-unknown')
      if (node.state === 'revoked') throw new OcmError('node-revoked')
      if (node.state === 'quarantined') {
        await catalog.setSequence(id, oneIsLeft(node.sequence))
        await catalog.setState(id, 'active')
        publish({ kind: 'node-changed', node: id })
      }
      return one(id)
    },
    async judge() {
      const { revoked } = vault.needed().record
      for (const node of await catalog.nodes()) {
        const out = node.state !== 'revoked' && revoked.some((key) => equal(key, node.key))
        if (out) await revoke(node.id)
        else publish({ kind: 'node-changed', node: node.id })
      }
    },
  }
}

const updateOf = (update: NodeState['update']): Pick<NodeState, 'update'> =>
  update === undefined ? {} : { update }

const scheduleOf = (schedule: NodeState['schedule']): Pick<NodeState, 'schedule'> =>
  schedule === undefined ? {} : { schedule }

const fenceOf = (fence: NodeState['fence']): Pick<NodeState, 'fence'> =>
  fence === undefined ? {} : { fence }
