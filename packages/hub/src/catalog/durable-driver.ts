/**
 * Commits to SQLite that are on the disk when they are answered, and hold up nobody meanwhile. SQLite would wait for the
 * disk within the call (synchronous=FULL), and for some tens of milliseconds the hub would do nothing else. So its log is
 * only written there (NORMAL: what a checkpoint carries over is waited for), and then made durable by another thread.
 */
import { closeSync, fdatasync, openSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { OcmError } from '@ocm/protocol'
import { type DatabaseConnection, SqliteDriver } from 'kysely'

const synced = promisify(fdatasync)

export class DurableDriver extends SqliteDriver {
  readonly #database: DatabaseSync
  /** Of the write-ahead log, from the first time that it is made durable. */
  #log: number | undefined
  #connection: DatabaseConnection | undefined
  /** What the disk said once. What it has lost since then it would not say again, so nothing is answered any more. */
  #failure: unknown

  /** @param database in WAL mode, or in memory */
  constructor(config: ConstructorParameters<typeof SqliteDriver>[0], database: DatabaseSync) {
    super(config)
    this.#database = database
    database.exec('PRAGMA synchronous = NORMAL')
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#connection ??= this.#durably(await super.acquireConnection())
    return this.#connection
  }

  override async destroy(): Promise<void> {
    await super.destroy()
    if (this.#log !== undefined) closeSync(this.#log)
  }

  #durably(connection: DatabaseConnection): DatabaseConnection {
    const file = this.#database.location()
    const changes = this.#database.prepare('select total_changes() as made')
    const made = () => Number(changes.get()?.['made'])
    let durable = made()
    return {
      executeQuery: async (query, options) => {
        if (this.#failure !== undefined) throw failed(this.#failure)
        const result = await connection.executeQuery<never>(query, options)
        if (file === null || this.#database.isTransaction || made() === durable) return result
        durable = made()
        try {
          this.#log ??= openSync(`${file}-wal`, 'r')
          await synced(this.#log)
        } catch (error) {
          this.#failure = error
          throw failed(error)
        }
        return result
      },
      streamQuery: (...given) => connection.streamQuery(...given),
    }
  }
}

const failed = (cause: unknown) =>
  new OcmError(
    'catalog-failed',
    { why: 'its disk has failed; mend it and start the hub again' },
    { cause },
  )
