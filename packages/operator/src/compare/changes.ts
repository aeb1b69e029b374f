/** What a comparison consists of. */
import type { Entry, Section } from '@ocm/protocol'

export type Kind = 'added' | 'removed' | 'changed'

/** One place of a configuration, e.g. `gateway.bind`. */
export interface ConfigChange {
  readonly kind: Kind
  readonly path: string
  /** Absent where there was or is none; paths of the node stand as `{root}/…`. A secret is a dot: capture never writes it into the view. */
  readonly before?: unknown
  readonly after?: unknown
}

/** E.g. a cron job, a plugin, how many conversations a persona has. */
export interface ListChange {
  readonly what: string
  readonly section: Section
  readonly kind: Kind
  readonly name: string
  /** What of it changed: of a cron job each place of its definition, of a count the numbers. */
  readonly changes?: readonly ConfigChange[]
}

export interface EntryChange {
  readonly kind: Kind
  readonly section: Section
  /** `root:path`. */
  readonly path: string
  readonly entry: Entry['kind']
  readonly bytes: { readonly before: number; readonly after: number }
  /** What of it: its content, its rights, what kind of thing it is, where a link points. */
  readonly what: readonly ('content' | 'mode' | 'kind' | 'target')[]
  /** Both name places of their own node: whether more than that differs can only be told by reading them. */
  readonly unsettled?: true
}

export interface Comparison {
  readonly config: readonly ConfigChange[]
  readonly lists: readonly ListChange[]
  readonly entries: readonly EntryChange[]
  /** What one side does not tell, because it could not be asked or its agent was older. */
  readonly unknown: readonly ('inventory' | 'cron jobs' | 'environment')[]
}

export interface Within {
  readonly section?: Section
  /** `root:path` or a root; what lies below it too. */
  readonly place?: string
  /** Byte for byte: databases, conversations and what belongs to one machine as well. */
  readonly all?: boolean
}

export const countOf = ({ config, lists, entries }: Comparison): number =>
  config.length + lists.length + entries.length
