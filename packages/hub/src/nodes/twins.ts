/**
 * Which nodes go by one identity: a bot that two gateways poll, a device key on two machines. Told from the keyed
 * fingerprints in the newest snapshot of each node, so an alarm ends by itself with the next one that no longer shares any.
 */
import {
  type FingerprintKind,
  type IdentityPrint,
  type NodeState,
  type Primitives,
  hex,
  readSnapshot,
} from '@ocm/protocol'
import type { Node, SnapshotCatalog } from './ports.ts'

/** A node and what its newest snapshot says it goes by. */
export interface Known {
  readonly id: string
  /** False for one that is retired, quarantined, or was moved away: it does not speak. */
  readonly speaks: boolean
  /** Undefined without a snapshot and for a node that has no key for it. */
  readonly prints: readonly IdentityPrint[] | undefined
}

export type Twins = NonNullable<NodeState['twins']>

/** Pure. @returns for each node that has any, its twins and what they share; both by their order. */
export function twinsAmong(nodes: readonly Known[]): ReadonlyMap<string, Twins> {
  const holders = new Map<string, { readonly kind: FingerprintKind; readonly nodes: string[] }>()
  for (const { id, speaks, prints = [] } of nodes) {
    if (!speaks) continue
    for (const { kind, print } of prints) {
      const name = `${kind} ${hex(print)}`
      const held = holders.get(name) ?? { kind, nodes: [] }
      if (!held.nodes.includes(id)) held.nodes.push(id)
      holders.set(name, held)
    }
  }
  const found = new Map<string, Map<string, Set<FingerprintKind>>>()
  for (const { kind, nodes: sharing } of holders.values()) {
    for (const one of sharing) {
      for (const other of sharing) {
        if (one === other) continue
        const of = found.get(one) ?? new Map<string, Set<FingerprintKind>>()
        found.set(one, of.set(other, (of.get(other) ?? new Set()).add(kind)))
      }
    }
  }
  return new Map(
    [...found].map(([one, of]) => [
      one,
      [...of].map(([node, kinds]) => ({ node, kinds: [...kinds].toSorted() })),
    ]),
  )
}

export interface TwinNeeds {
  readonly p: Primitives
  readonly snapshots: Pick<SnapshotCatalog, 'snapshot'>
  /** When the last move between two nodes, or the undoing of one, came to its end; in either direction. */
  readonly movedBetween: (one: string, other: string) => Promise<number | undefined>
}

export interface Standing {
  /** Its newest snapshot says what it goes by. */
  readonly checked: boolean
  readonly twins: Twins
}

type Newest = ReadonlyMap<string, { readonly id: string; readonly receivedAt: number }>

export function createTwins({ p, snapshots, movedBetween }: TwinNeeds) {
  /** By node: headers are large, and a newest snapshot stays the newest for a while. */
  const read = new Map<string, { readonly snapshot: string; readonly prints: Known['prints'] }>()

  async function printsOf(node: Node, newest: Newest): Promise<Known['prints']> {
    const snapshot = newest.get(node.id)?.id
    if (snapshot === undefined) return undefined
    const known = read.get(node.id)
    if (known?.snapshot === snapshot) return known.prints
    const stored = await snapshots.snapshot(snapshot)
    const prints = stored && readSnapshot(p, node.key, stored.header).fingerprints
    read.set(node.id, { snapshot, prints })
    return prints
  }

  /** What a move has left behind is older than the move: the next snapshot of either tells how it is. */
  async function isSettled(one: string, other: string, newest: Newest): Promise<boolean> {
    const moved = await movedBetween(one, other)
    if (moved === undefined) return false
    const at = (node: string) => newest.get(node)?.receivedAt ?? 0
    return Math.min(at(one), at(other)) <= moved
  }

  /** How each of these nodes stands, all nodes taken into account. */
  return async function standings(
    nodes: readonly Node[],
    newest: Newest,
  ): Promise<ReadonlyMap<string, Standing>> {
    const known: Known[] = []
    for (const node of nodes) {
      const speaks = node.state === 'active' && node.movedTo === null
      known.push({ id: node.id, speaks, prints: await printsOf(node, newest) })
    }
    const twins = twinsAmong(known)
    const standing = new Map<string, Standing>()
    for (const { id, prints } of known) {
      const own: Twins = []
      for (const twin of twins.get(id) ?? []) {
        if (!(await isSettled(id, twin.node, newest))) own.push(twin)
      }
      standing.set(id, { checked: prints !== undefined, twins: own })
    }
    return standing
  }
}
