/** What is found in a database: the paths in its rows, and what it lists. */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { type Unknowns, pathToBytes } from '@ocm/protocol'
import type { Captured, DatabaseSource } from '../installation.port.ts'
import { unknownParts, visitDatabase } from './database-strings.ts'
import { hasTable, isDatabaseError, openImmutable, schemaVersionOf } from './databases.ts'
import { KNOWN_SCHEMAS } from './known-schema.ts'
import { type AgentListing, type StateListing, listAgent, listState } from './listing.ts'
import { asRecalled, type Memory } from './memory.ts'
import { type Told, tellingWalk } from './mention.ts'
import { type DatabaseRole, roleOf } from './rows.ts'
import type { Walk } from './strings.ts'

export interface DatabaseFindings {
  readonly told: readonly Told[]
  /** Why not all of it could be looked at; '' when all was. */
  readonly flaw: string
  /** What no rule is for, if there is anything. */
  readonly unknown?: Omit<Unknowns, 'name'>
  /** Of OpenClaw's own database and of a persona's. */
  readonly state?: StateListing
  readonly agent?: AgentListing
}

/** It is asked for again as often as that when somebody writes to it in the meantime. */
const TRIES = 3

/** Undefined for a database of somebody else, which comes back byte for byte. */
export async function findInDatabase(
  captured: Captured,
  { place }: DatabaseSource,
  sha256: Uint8Array,
  walk: Omit<Walk, 'visit'>,
  memory: Memory,
  rest: () => Promise<unknown> | undefined,
): Promise<DatabaseFindings | undefined> {
  const role = roleOf(place)
  if (role === undefined) return undefined
  const name = `${role} database ${Buffer.from(sha256).toString('hex')}`
  const kept = memory.recall(name) as DatabaseFindings | undefined
  if (kept !== undefined) return kept
  let found: DatabaseFindings = { told: [], flaw: 'it could not be read once more' }
  for (let tries = 0; tries < TRIES; tries++) {
    const absolute = await captured.openDatabase(place)
    if (absolute === undefined) break
    const before = stampOf(absolute)
    found = await lookInto(absolute, role, walk, rest)
    if (stampOf(absolute) === before) return memory.keep(name, found)
  }
  return asRecalled(found)
}

/** Changes when the file does. What lies in a log beside it is not looked at. */
function stampOf(absolute: string): string {
  const stats = statSync(Buffer.from(pathToBytes(absolute)), {
    bigint: true,
    throwIfNoEntry: false,
  })
  return stats ? `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}` : ''
}

async function lookInto(
  absolute: string,
  role: DatabaseRole,
  of: Omit<Walk, 'visit'>,
  rest: () => Promise<unknown> | undefined,
): Promise<DatabaseFindings> {
  const walk = tellingWalk(of)
  let devices: readonly Told[] = []
  let unknown: DatabaseFindings['unknown']
  let flaw = ''
  const database = openImmutable(absolute)
  try {
    try {
      const visit = visitDatabase(database, role, walk)
      while (visit.next().done !== true) await rest()
      if (role === 'state') devices = devicesIn(database)
      unknown = unknownIn(database, role)
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      flaw = error.message
    }
    return {
      told: [...walk.told(), ...devices],
      flaw,
      ...(unknown === undefined ? {} : { unknown }),
      ...(role === 'state' ? { state: listState(database) } : {}),
      ...(role === 'agent' ? { agent: listAgent(database) } : {}),
    }
  } finally {
    database.close()
  }
}

function unknownIn(database: DatabaseSync, role: DatabaseRole): DatabaseFindings['unknown'] {
  const known = KNOWN_SCHEMAS[role]
  if (known === 0) return undefined
  const schema = schemaVersionOf(database)
  const parts = [...unknownParts(database, role)]
  return schema <= known && parts.length === 0 ? undefined : { schema, known, parts }
}

function devicesIn(database: DatabaseSync): readonly Told[] {
  if (!hasTable(database, 'device_identities')) return []
  const rows = database.prepare('SELECT identity_key, device_id FROM device_identities').all()
  return rows.map((row) => ({
    at: `device_identities.device_id ${String(row['identity_key'])}`,
    section: 'gateway',
    kind: 'identity',
    class: 'structured',
    text: String(row['device_id']),
    under: '',
  }))
}
