/** What is here that a graft must not meet, and what it can stand on. */
import path from 'node:path'
import type { TargetFacts } from '@ocm/protocol'
import type { DatabaseSource } from '../../installation.port.ts'
import { stateDatabaseOf } from '../implied.ts'
import { inventoryOf } from '../inventory.ts'
import { type Located, agentDatabaseOf } from '../layout.ts'
import { namesIn } from '../names.ts'
import { liveSight } from '../sight.ts'
import { tiesOf } from './ties.ts'

/** Of a directory with more, nothing is told: then no name in it counts as free. */
const MAX_NAMES = 5000
/** Below the state directory, where things are put beside others of their kind. */
const ROOMS = ['agents', 'skills', 'extensions', 'hooks']

export function holdsOf(located: Located): NonNullable<TargetFacts['holds']> {
  const { layout, where, config, personas } = located
  const sight = liveSight(layout, databasesOf(located), config)
  const rooms: readonly (readonly [string, string])[] = [
    ['home:', where.home],
    ['state:', where.state],
    ...ROOMS.map((room) => [`state:${room}`, path.join(where.state, room)] as const),
  ]
  return {
    inventory: inventoryOf(sight),
    config: sight.config.view,
    ties: tiesOf(sight, personas, undefined).filter(({ way }) => way === 'brings'),
    names: Object.fromEntries(
      rooms.flatMap(([room, directory]) => {
        const names = namesIn(directory).filter((name) => name.isWellFormed())
        return names.length > MAX_NAMES ? [] : [[room, names]]
      }),
    ),
  }
}

/** Those that lists are read from; to look for others would take a walk through everything. */
function databasesOf({ where, personas }: Located): readonly DatabaseSource[] {
  const source = (role: string, absolute: string, persona?: string): DatabaseSource => ({
    section: 'history',
    class: 'state',
    travel: 'always',
    place: { root: 'state', path: path.relative(where.state, absolute) },
    absolute,
    role,
    ...(persona === undefined ? {} : { persona }),
  })
  return [
    source('state', stateDatabaseOf(where.state)),
    ...personas.map(({ id, directory }) => source('agent', agentDatabaseOf(directory), id)),
  ]
}
