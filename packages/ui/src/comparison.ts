/** A comparison as people look at it: by section, each with what came, went and changed. */
import type { Comparison, ConfigChange, EntryChange, ListChange, TextDiff } from '@ocm/operator'
import { type NodeState, SECTIONS, type Section, type SnapshotState } from '@ocm/protocol'

export type { Comparison, TextDiff }

export type ChangeLine =
  | { readonly of: 'config'; readonly change: ConfigChange }
  | { readonly of: 'list'; readonly change: ListChange }
  | { readonly of: 'entry'; readonly change: EntryChange }

/** The configuration is a part of its own: most of what differs is there. */
export type Part = Section | 'config'

export interface ChangesOf {
  readonly part: Part
  readonly lines: readonly ChangeLine[]
}

/** Every part in which something differs, the configuration first. */
export function changesByPart({ config, lists, entries }: Comparison): readonly ChangesOf[] {
  const lines = (section: Section): ChangeLine[] => [
    ...lists
      .filter((change) => change.section === section)
      .map((change) => ({ of: 'list' as const, change })),
    ...entries
      .filter((change) => change.section === section)
      .map((change) => ({ of: 'entry' as const, change })),
  ]
  return [
    {
      part: 'config' as const,
      lines: config.map((change) => ({ of: 'config' as const, change })),
    },
    ...SECTIONS.map((section) => ({ part: section, lines: lines(section) })),
  ].filter((part) => part.lines.length > 0)
}

/** A value of a configuration on one line; long ones are cut. */
export function shownValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === undefined ? '' : text
}

/** One side as it is chosen: a node, and one of its snapshots; '' is the newest. */
export interface Chosen {
  readonly node: string
  readonly snapshot: string
}

/** Which snapshot a choice stands for; undefined when there is none. */
export function snapshotFor(
  { node, snapshot }: Chosen,
  nodes: readonly NodeState[],
  snapshots: readonly SnapshotState[],
): string | undefined {
  if (snapshot !== '') return snapshots.find(({ id }) => id === snapshot)?.id
  return nodes.find(({ id }) => id === node)?.lastSnapshot?.id
}

/** Pairs of nodes that go by one identity, each once. */
export function twinPairs(nodes: readonly NodeState[]) {
  return nodes.flatMap((one) =>
    (one.twins ?? [])
      .filter(({ node }) => one.id < node)
      .flatMap(({ node, kinds }) => {
        const other = nodes.find(({ id }) => id === node)
        return other === undefined ? [] : [{ one, other, kinds }]
      }),
  )
}
