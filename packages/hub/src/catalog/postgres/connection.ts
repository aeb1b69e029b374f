/**
 * One connection, which one query or transaction has at a time: what the hub promises rests on transactions that come one
 * after the other, as they do in SQLite. It holds a lock for as long as it is there, so that no other hub uses the same
 * catalog, and takes it again before anything else when it had to be made anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OcmError } from '@ocm/protocol'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { Client, type QueryResult } from 'pg'
import { failureOf } from './failures.ts'
import { typeParsers } from './values.ts'

export interface Patience {
  /** Milliseconds for a statement, until PostgreSQL gives it up. */
  readonly statement: number
  /** Milliseconds without an answer, until the connection counts as lost. */
  readonly answer: number
  /** Milliseconds for a new connection. */
  readonly connect: number
  /** Milliseconds for the lock: a process that was killed is still being cleared away. */
  readonly lock: number
}

export const PATIENCE: Patience = { statement: 30_000, answer: 40_000, connect: 10_000, lock: 3000 }

export interface OneConnection extends PostgresPool {
  /** What was asked of PostgreSQL and is not answered yet. */
  readonly asking: number
  /** As when the cable is pulled; the next one who asks has a new one. */
  cut(): void
}

interface Wishes {
  readonly url: string
  readonly patience?: Patience
  /** False for one who only reads: no lock is taken. */
  readonly alone?: boolean
  /** A connection was lost, and there is one again. What was answered with an error meanwhile may be done all the same. */
  readonly back?: () => void
}

const FAREWELL_MS = 2000
/** 'OCMC'. */
const LOCK = 0x4f434d43

interface Session {
  readonly client: Client
  readonly pid: number
  /** As PostgreSQL writes it: a number of a process comes again. */
  readonly since: string
}

export function oneConnection({
  url,
  patience = PATIENCE,
  alone = true,
  back,
}: Wishes): OneConnection {
  let live: Session | undefined
  let before: Session | undefined
  let failed: { readonly at: number; readonly error: unknown } | undefined
  let last: Promise<void> = Promise.resolve()
  let asking = 0

  /** @returns what gives the turn on */
  async function inTurn(): Promise<() => void> {
    const turn = Promise.withResolvers<void>()
    const earlier = last
    last = turn.promise
    await earlier
    return turn.resolve
  }

  async function opened(): Promise<Session> {
    const client = clientOf(url, patience)
    try {
      await client.connect()
      const session = await begun(client, patience)
      if (alone) await lock(session, before, patience.lock)
      const lose = () => {
        if (live === session) live = undefined
      }
      client.on('error', lose)
      client.on('end', lose)
      return session
    } catch (error) {
      drop(client)
      throw error
    }
  }

  async function current(since: number): Promise<Session> {
    if (live) return live
    // Whoever waited while it was tried has waited long enough.
    if (failed && failed.at > since) throw failed.error
    asking++
    try {
      live = await opened()
    } catch (error) {
      failed = { at: performance.now(), error: failureOf(error) }
      throw failed.error
    } finally {
      asking--
    }
    const isBack = before !== undefined
    before = live
    if (isBack) back?.()
    return live
  }

  const clients = new WeakMap<Client, PostgresPoolClient>()
  let release: (() => void) | undefined

  function handedOut(of: Session): PostgresPoolClient {
    const known = clients.get(of.client)
    if (known) return known
    // Kysely asks it for nothing else: for reading by cursor it would want another package.
    const query = async (text: unknown, values: readonly unknown[] = []) => {
      // With the connection went what was not committed.
      if (of !== live && text === 'rollback') return NOTHING_DONE
      if (of !== live) throw new OcmError('catalog-failed', { why: 'PostgreSQL does not answer' })
      const timer = setTimeout(() => cut(), patience.answer)
      asking++
      try {
        return await of.client.query(String(text), [...values])
      } catch (error) {
        throw failureOf(error)
      } finally {
        asking--
        clearTimeout(timer)
      }
    }
    const client = {
      query: query as unknown as PostgresPoolClient['query'],
      release: () => release?.(),
    }
    clients.set(of.client, client)
    return client
  }

  function cut(): void {
    const lost = live
    live = undefined
    if (lost) drop(lost.client)
  }

  return {
    get asking() {
      return asking
    },
    cut,
    options: {},
    async connect() {
      const since = performance.now()
      const next = await inTurn()
      try {
        const client = handedOut(await current(since))
        release = next
        return client
      } catch (error) {
        next()
        throw error
      }
    },
    async end() {
      const next = await inTurn()
      const ending = live
      live = undefined
      if (ending) await ended(ending.client)
      next()
    },
  }
}

const NOTHING_DONE = { command: 'ROLLBACK', rowCount: 0, rows: [] }

/** @throws OcmError 'wrong-use', and never says the address, which may hold a password */
function clientOf(url: string, { connect }: Patience): Client {
  try {
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: connect,
      keepAlive: true,
      keepAliveInitialDelayMillis: 30_000,
      application_name: 'ocm-hub',
      types: typeParsers,
    })
    // At any moment: who waits for an answer hears of it, and whoever comes next has another connection.
    client.on('error', () => undefined)
    return client
  } catch {
    // The error repeats what it could not read.
    throw new OcmError('wrong-use', {
      what: 'The address of the catalog is not one of PostgreSQL (postgres://...), or names a file that cannot be read',
    })
  }
}

/** Of one that is there, and of one that never came to be: nobody waits for its end. */
function drop(client: Client): void {
  // Whatever it still waits for is answered with an error, to whoever asked.
  client.connection.stream.destroy()
}

/** A database that is frozen does not say goodbye. */
async function ended(client: Client): Promise<void> {
  const timer = setTimeout(() => drop(client), FAREWELL_MS)
  await client.end()
  clearTimeout(timer)
}

/** PostgreSQL 13, the oldest that is tried. */
const OLDEST = 130_000

/** What is committed is on the disk, whatever the database does otherwise; whoever is gone is noticed within a minute. */
async function begun(client: Client, { statement }: Patience): Promise<Session> {
  await client.query(`
    set synchronous_commit = on; set statement_timeout = ${statement}; set bytea_output = hex;
    set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3`)
  const { rows } = await client.query<
    Record<'pid' | 'version', number> &
      Record<'since' | 'encoding', string> & { schema: string | null }
  >(`
    select pid, backend_start::text as since, current_setting('server_encoding') as encoding,
      current_schema() as schema,
      current_setting('server_version_num')::int as version
    from pg_stat_activity where pid = pg_backend_pid()`)
  const [row] = rows
  if (!row) throw new TypeError('PostgreSQL does not say who we are')
  if (row.version < OLDEST) throw unfit('PostgreSQL is older than 13')
  if (row.encoding !== 'UTF8') throw unfit('the database is not in UTF-8')
  if (row.schema === null) throw unfit('the database has no schema for this account')
  return { client, pid: row.pid, since: row.since }
}

const unfit = (why: string) => new OcmError('catalog-failed', { why })

/** @throws OcmError 'catalog-in-use' */
async function lock(
  { client }: Session,
  before: Session | undefined,
  patience: number,
): Promise<void> {
  const until = performance.now() + patience
  for (;;) {
    const { rows }: QueryResult<{ taken: 0 | 1 }> = await client.query(
      `select pg_try_advisory_lock(${LOCK}, hashtext(current_schema())) as taken`,
    )
    if (rows[0]?.taken === 1) return
    if (performance.now() > until) throw new OcmError('catalog-in-use')
    // What this hub has lost may still be at work there, and does not know that it is lost.
    if (before) {
      await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start = $2::timestamptz',
        [before.pid, before.since],
      )
    }
    await sleep(25)
  }
}
