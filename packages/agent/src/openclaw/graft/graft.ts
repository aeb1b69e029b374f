/** Puts chosen parts of a staged snapshot among what is live here, in copies of the few files that everything shares. */
import { mkdirSync, statSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { backup } from 'node:sqlite'
import { type Inventory, OcmError } from '@ocm/protocol'
import type { GraftRequest, Grafted } from '../../installation.port.ts'
import { changeWhole } from '../change-whole.ts'
import { readConfig, readFromDisk } from '../config.ts'
import { listConfig } from '../config-listing.ts'
import { openImmutable, openLive } from '../databases.ts'
import type { Where } from '../discovery.ts'
import { stateDatabaseOf } from '../implied.ts'
import { type Located, agentDatabaseOf } from '../layout.ts'
import { listAgent } from '../listing.ts'
import { mergeConfig } from './merge-config.ts'
import { mergeEnv } from './merge-env.ts'
import { mergeState } from './merge-state.ts'
import { renameInDatabase } from './rename-persona.ts'

/** Once, when the parts have just been written and rewritten: conversations name the persona that they are of. */
export function renamePersonas({ staged, graft }: GraftRequest): void {
  for (const renamed of graft.personas) {
    if (renamed.from === renamed.to) continue
    const room = graft.carried.find(({ path: inside }) => inside === `agents/${renamed.from}`)
    for (const { absolute, kind } of staged.files) {
      if (kind !== 'database' || room === undefined) continue
      if (absolute === agentDatabaseOf(path.join(room.to, 'agent'))) {
        renameInDatabase(staged.at(absolute), renamed)
      }
    }
  }
}

/** @param own what is live, listed before anything is put to it */
export async function graftInto(
  request: GraftRequest,
  { where, config }: Located,
  own: Inventory,
): Promise<Grafted> {
  const { staged, graft, into } = request
  const isRestore = staged.choices.kind === 'restore'
  const changed: Record<string, number> = {}
  const count = (what: string, n: number) => {
    if (n > 0) changed[what] = (changed[what] ?? 0) + n
  }
  const source = sourceOf(request)
  const files: Grafted['files'][number][] = []
  mkdirSync(into, { recursive: true, mode: 0o700 })
  const fresh = () => path.join(into, String(files.length))

  if (config.files.length === 0) throw new OcmError('config-not-editable')
  const texts = mergeConfig({
    where,
    read: readFromDisk,
    source: source.config.tree,
    graft,
    isRestore,
  })
  for (const [absolute, text] of texts) {
    files.push({ absolute, fresh: await writeLike(absolute, fresh(), text) })
    count('files of the configuration', 1)
  }
  if (graft.sections.includes('environment')) {
    const absolute = path.join(where.state, '.env')
    const was = textOf(readFromDisk(absolute))
    const text = mergeEnv(was, textOf(source.read(absolute)), isRestore)
    if (text !== was) {
      files.push({ absolute, fresh: await writeLike(absolute, fresh(), text) })
      count('files of variables', 1)
    }
  }
  const database = stateDatabaseOf(where.state)
  const theirs = staged.files.find(({ absolute }) => absolute === database)
  if (theirs !== undefined) {
    const copy = await copyOf(database, fresh())
    const from = openImmutable(staged.at(database))
    try {
      changeWhole(copy, (live) =>
        mergeState({
          into: live,
          from,
          graft,
          isRestore,
          state: where.state,
          systemPersona: listConfig(source.config).systemPersona,
          count,
        }),
      )
    } finally {
      from.close()
    }
    files.push({ absolute: database, fresh: copy })
  }
  return { files, inventory: expected(request, own, isRestore), changed }
}

function sourceOf({ staged }: GraftRequest) {
  const known = new Map(staged.files.map(({ absolute }) => [absolute, staged.at(absolute)]))
  const read = (absolute: string) => {
    const at = known.get(absolute)
    return at === undefined ? undefined : readFromDisk(at)
  }
  const { home = '', state = '' } = staged.to.roots
  const main = ['openclaw.json', 'clawdbot.json']
    .map((name) => path.join(state, name))
    .find((absolute) => known.has(absolute))
  // Of a configuration that cannot be read whole, a part may be missing that nobody would miss.
  if (main === undefined) throw new OcmError('graft-config-unreadable')
  const where: Where = { home, state, config: main, profile: '', env: {}, agentState: '' }
  const config = readConfig(where, read)
  if (config.problems.length > 0) throw new OcmError('graft-config-unreadable')
  return { config, read }
}

const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? '' : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

/** With the permissions of what it is to replace. */
async function writeLike(live: string, fresh: string, text: string): Promise<string> {
  const mode = (statSync(live, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o7777
  await writeFile(fresh, text, { mode: 0o600 })
  await chmod(fresh, mode)
  return fresh
}

/** Of one moment, whether or not somebody writes to it: all pages in one go, out of one read transaction. */
async function copyOf(live: string, fresh: string): Promise<string> {
  const database = openLive(live)
  if (database === undefined) throw new OcmError('openclaw-unhealthy', { step: 'database' })
  try {
    database.exec('BEGIN')
    database.prepare('SELECT count(*) FROM sqlite_master').get()
    await backup(database, fresh, { rate: ALL_PAGES })
  } finally {
    database.close()
  }
  await chmod(fresh, statSync(live).mode & 0o7777)
  return fresh
}

const ALL_PAGES = 2 ** 31 - 1

/** All that was here and is not replaced, and what has come to it. */
function expected(
  { staged, graft, theirs }: GraftRequest,
  own: Inventory,
  isRestore: boolean,
): Inventory {
  const renamed = new Map(graft.personas.map(({ from, to }) => [from, to]))
  const jobs = new Map(graft.cron.map(({ from, to }) => [from, to]))
  const coming = theirs?.cron.flatMap((job) => {
    const id = jobs.get(job.id)
    if (id === undefined) return []
    const enabled = staged.choices.cron === 'disabled' ? false : job.enabled
    return [{ ...job, id, persona: renamed.get(job.persona) ?? job.persona, enabled }]
  })
  const replaced = new Set(isRestore ? renamed.values() : [])
  const ids = new Set(coming?.map(({ id }) => id))
  const sessions = Object.fromEntries([
    ...Object.entries(own.sessions).filter(([persona]) => !replaced.has(persona)),
    ...[...renamed].flatMap(([from, to]) => {
      const room = graft.carried.find(({ path: inside }) => inside === `agents/${from}`)
      const file = room && staged.at(agentDatabaseOf(path.join(room.to, 'agent')))
      const listed = file === undefined ? [] : sessionsIn(file)
      return listed.length === 0 ? [] : [[to, listed] as const]
    }),
  ])
  return {
    ...own,
    personas: [...new Set([...own.personas, ...renamed.values()])].toSorted(),
    cron: [...own.cron.filter(({ id }) => !ids.has(id)), ...(coming ?? [])].toSorted((a, b) =>
      a.id < b.id ? -1 : 1,
    ),
    authProfiles: own.authProfiles.filter((name) => !replaced.has(name.split('/')[0] as string)),
    sessions,
  }
}

function sessionsIn(file: string): string[] {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return []
  const database = openImmutable(file)
  try {
    return [...listAgent(database).sessions].toSorted()
  } finally {
    database.close()
  }
}
