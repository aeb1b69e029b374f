/** One way to look at an installation, whether it lies live on the disk or in what a capture took of it. */
import type { DatabaseSync } from 'node:sqlite'
import { type Layout, type PlacedPath, absoluteOf } from '@ocm/protocol'
import type { DatabaseSource } from '../installation.port.ts'
import { type Config, readFromDisk } from './config.ts'
import { type ConfigListing, listConfig } from './config-listing.ts'
import { isDatabaseError, withLive } from './databases.ts'
import { type AgentListing, type StateListing, listAgent, listState } from './listing.ts'
import { namesIn } from './names.ts'
import { noPrint } from './prints.ts'
import { LIST, type TextKind, type TextListing } from './text-listing.ts'

export interface Sight {
  readonly layout: Layout
  readonly config: ConfigListing
  /** Of OpenClaw's own database; undefined when there is none or it cannot be read. */
  readonly state: StateListing | undefined
  readonly agents: readonly { readonly persona: string; readonly listing: AgentListing }[]
  /** The names in a directory, sorted; none when it is not there. */
  names(directory: PlacedPath): readonly string[]
  /** What a file lists; undefined when it is not there. */
  told<K extends TextKind>(kind: K, file: PlacedPath): TextListing[K] | undefined
  readonly warnings: { readonly code: string; readonly detail: string }[]
}

/** Of the live files and databases. */
export function liveSight(
  layout: Layout,
  databases: readonly DatabaseSource[],
  config: Config,
): Sight {
  const warnings: Sight['warnings'] = []
  const agents: Sight['agents'][number][] = []
  let state: StateListing | undefined
  for (const { role, persona = '', place, absolute } of databases) {
    const name = `${place.root}:${place.path}`
    const live = <T>(list: (database: DatabaseSync) => T) =>
      listLive(absolute, name, list, warnings)
    if (role === 'state') state = live(listState)
    if (role !== 'agent') continue
    const listing = live(listAgent)
    if (listing !== undefined) agents.push({ persona, listing })
  }
  return {
    layout,
    config: listConfig(config),
    state,
    agents,
    names(directory) {
      const absolute = absoluteOf(layout, directory)
      return absolute === undefined ? [] : namesIn(absolute)
    },
    told(kind, file) {
      const bytes = readFromDisk(absoluteOf(layout, file) ?? '')
      return bytes === undefined ? undefined : LIST[kind](new TextDecoder().decode(bytes), noPrint)
    },
    warnings,
  }
}

function listLive<T>(
  absolute: string,
  name: string,
  list: (database: DatabaseSync) => T,
  warnings: Sight['warnings'],
): T | undefined {
  try {
    return withLive(absolute, list)
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    warnings.push({ code: 'database-unreadable', detail: `${name}: ${error.message}` })
    return undefined
  }
}
