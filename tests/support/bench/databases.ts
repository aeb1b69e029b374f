/** The databases of a data set: with OpenClaw's own schema when there is a populated home to take it from. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { zstdCompressSync } from 'node:zlib'
import { Random } from './random.ts'
import { Conversation, EPOCH, prompt, prose } from './texts.ts'

/** Enough of it for the rows below, where no OpenClaw is at hand: such a home cannot be started. */
const SMALL_SCHEMA = `
PRAGMA auto_vacuum=2; PRAGMA page_size=4096;
CREATE TABLE session_nodes(session_key TEXT PRIMARY KEY, current_session_id TEXT NOT NULL, entry_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL, entry_valid INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE session_windows(session_id TEXT PRIMARY KEY, session_key TEXT NOT NULL, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE transcript_events(session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT,
  created_at INTEGER NOT NULL, event_zstd BLOB, event_utf8_bytes INTEGER, navigation_json TEXT,
  PRIMARY KEY(session_id, seq)) STRICT;
CREATE TABLE memory_index_chunks(chunk_rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
  source TEXT NOT NULL DEFAULT 'memory', start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, hash TEXT NOT NULL,
  model TEXT NOT NULL, text TEXT NOT NULL, embedding BLOB NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE VIRTUAL TABLE session_transcript_fts USING fts5(text, session_id UNINDEXED, message_id UNINDEXED,
  role UNINDEXED, timestamp UNINDEXED);
CREATE TABLE session_transcript_fts_rows(id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, message_id TEXT) STRICT;
CREATE TABLE session_transcript_active_events(session_id TEXT NOT NULL, active_position INTEGER NOT NULL,
  event_seq INTEGER NOT NULL, message_position INTEGER, context_eligible INTEGER,
  PRIMARY KEY(session_id, active_position)) STRICT;
CREATE TABLE session_transcript_index_state(session_id TEXT NOT NULL PRIMARY KEY, indexed_seq INTEGER NOT NULL,
  leaf_event_id TEXT, needs_rebuild INTEGER NOT NULL DEFAULT 0, active_event_count INTEGER NOT NULL DEFAULT 0,
  active_message_count INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE session_canonical_validation_pending(session_key TEXT PRIMARY KEY);
CREATE TABLE schema_meta(meta_key TEXT PRIMARY KEY, role TEXT, schema_version INTEGER, agent_id TEXT,
  app_version TEXT, created_at INTEGER, updated_at INTEGER);
INSERT INTO schema_meta VALUES('primary', 'agent', 23, '', '2026.9.6', 0, 0);
CREATE TABLE agent_databases(agent_id TEXT, path TEXT, schema_version INTEGER, last_seen_at INTEGER,
  size_bytes INTEGER);
PRAGMA user_version=23;`

const NAVIGATION =
  '{"version":1,"report":{"kind":"canonical"},"navigation":{},"reset":{},"model":{},"modelBytes":100,"modelWithoutCheckpointBytes":100,"withoutCustomDataBytes":100}'

const BEGAN_MS = (EPOCH + 100) * 1000

/** Rows about where that home was, and what was said in it. */
const KEPT_ROWS =
  /^(?:schema_meta|sqlite_\w+|session_key_contract|memory_index_state)$|_fts(?!_rows$)/

export interface Templates {
  readonly state: string
  readonly agent: string
}

/** Empties copies of a populated home's databases. @returns undefined when there is no such home. */
export function templatesFrom(home: string | undefined, folder: string): Templates | undefined {
  if (home === undefined) return undefined
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const emptied = (from: string, name: string) => {
    const scratch = join(folder, `${name}.copy`)
    for (const side of ['', '-wal']) {
      if (existsSync(from + side)) copyFileSync(from + side, scratch + side)
    }
    const database = new DatabaseSync(scratch, { enableForeignKeyConstraints: false })
    const tables = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map((row) => String(row['name']))
    for (const table of tables) {
      if (!KEPT_ROWS.test(table)) database.exec(`DELETE FROM "${table}"`)
    }
    for (const table of tables.filter((one) => one.endsWith('_fts'))) {
      database.exec(`DELETE FROM "${table}"`)
    }
    const template = join(folder, `${name}.sqlite`)
    database.prepare('VACUUM INTO ?').run(template)
    database.close()
    return template
  }
  const root = join(home, '.openclaw')
  return {
    state: emptied(join(root, 'state', 'openclaw.sqlite'), 'state'),
    agent: emptied(join(root, 'agents', 'main', 'agent', 'openclaw-agent.sqlite'), 'agent'),
  }
}

const inside = (persona: string) => `agents/${persona}/agent/openclaw-agent.sqlite`

export function stateDatabase(
  root: string,
  personas: readonly string[],
  templates: Templates | undefined,
): void {
  make(join(root, 'state', 'openclaw.sqlite'), templates?.state, (database) => {
    const put = database.prepare(
      'INSERT INTO agent_databases(agent_id, path, schema_version, last_seen_at, size_bytes) VALUES(?, ?, 23, ?, 4096)',
    )
    for (const persona of personas) put.run(persona, inside(persona), BEGAN_MS)
  })
}

export function agentDatabase(
  root: string,
  persona: string,
  bytes: number,
  random: Random,
  templates: Templates | undefined,
): void {
  make(join(root, inside(persona)), templates?.agent, (database) => {
    database.prepare("UPDATE schema_meta SET agent_id = ? WHERE meta_key = 'primary'").run(persona)
    fill(database, random, { bytes, each: Math.max(200_000, bytes / 150), persona, tag: 'first' })
  })
}

function make(path: string, template: string | undefined, fillIn: (to: DatabaseSync) => void) {
  mkdirSync(dirname(path), { recursive: true })
  if (template !== undefined) copyFileSync(template, path)
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  if (template === undefined) database.exec(SMALL_SCHEMA)
  database.exec('PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000')
  fillIn(database)
  database.exec('PRAGMA journal_mode=WAL; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  chmodSync(path, 0o600)
  utimesSync(path, EPOCH + 9e6, EPOCH + 9e6)
}

/** A day later: new rows of `bytes` bytes, and some of the old ones touched. */
export function goOn(path: string, random: Random, bytes: number, persona: string, round: number) {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  database.exec('PRAGMA synchronous=OFF')
  fill(database, random, { bytes, each: 200_000, persona, tag: `round${round}` })
  const keys = database.prepare('SELECT session_key FROM session_nodes ORDER BY session_key').all()
  const touch = database.prepare(
    "UPDATE session_nodes SET updated_at = updated_at + ?, entry_json = json_set(entry_json, '$.updatedAt', ?) WHERE session_key = ?",
  )
  database.exec('BEGIN')
  for (const row of keys) {
    if (random.share() < 0.03) touch.run(round, round, String(row['session_key']))
  }
  database.exec('UPDATE session_nodes SET entry_valid = 1')
  database.exec('DELETE FROM session_canonical_validation_pending')
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

interface Wanted {
  readonly bytes: number
  /** About so many in one conversation. */
  readonly each: number
  readonly persona: string
  readonly tag: string
}

function fill(database: DatabaseSync, random: Random, { bytes, each, persona, tag }: Wanted): void {
  const node = database.prepare(
    'INSERT INTO session_nodes(session_key, current_session_id, entry_json, updated_at) VALUES(?, ?, ?, ?)',
  )
  const window = database.prepare(
    'INSERT INTO session_windows(session_id, session_key, created_at, updated_at) VALUES(?, ?, ?, ?)',
  )
  const indexed = database.prepare(
    'INSERT INTO session_transcript_index_state(session_id, indexed_seq, leaf_event_id, active_event_count, active_message_count, updated_at) VALUES(?, ?, ?, ?, ?, ?)',
  )
  const put = inserter(database, random)
  database.exec('BEGIN')
  for (let done = 0, n = 0; done < bytes; n++) {
    const session = random.uuid()
    const key = `agent:${persona}:${tag}:${session.slice(0, 8)}-${n}`
    const skillsSnapshot = { prompt: prompt(random) }
    const entry = JSON.stringify({ sessionId: session, updatedAt: BEGAN_MS, skillsSnapshot })
    node.run(key, session, entry, BEGAN_MS)
    window.run(session, key, BEGAN_MS, BEGAN_MS)
    const conversation = new Conversation(random)
    const quota = Math.min(bytes - done, random.size(each, 1))
    let seq = 0
    for (let said = 0; said < quota;) said += put(session, ++seq, conversation)
    indexed.run(session, seq, conversation.last, seq, seq, BEGAN_MS)
    done += quota
  }
  // As OpenClaw leaves them: looked over, with nothing to do at its next start.
  database.exec('UPDATE session_nodes SET entry_valid = 1')
  database.exec('DELETE FROM session_canonical_validation_pending')
  database.exec('COMMIT')
}

/** @returns puts the next line of a conversation, and some into the indexes; answers about how many bytes that is. */
function inserter(database: DatabaseSync, random: Random) {
  const event = database.prepare(
    'INSERT INTO transcript_events(session_id, seq, event_json, created_at, event_zstd, event_utf8_bytes, navigation_json) VALUES(?, ?, ?, ?, ?, ?, ?)',
  )
  const active = database.prepare(
    'INSERT INTO session_transcript_active_events(session_id, active_position, event_seq, message_position, context_eligible) VALUES(?, ?, ?, ?, 1)',
  )
  const memory = database.prepare(
    "INSERT INTO memory_index_chunks(id, path, source, start_line, end_line, hash, model, text, embedding, updated_at) VALUES(?, ?, 'memory', ?, ?, ?, ?, ?, ?, ?)",
  )
  const found = database.prepare(
    'INSERT INTO session_transcript_fts_rows(session_id, message_id) VALUES(?, ?)',
  )
  const words = database.prepare(
    'INSERT INTO session_transcript_fts(rowid, text, session_id, message_id, role, timestamp) VALUES(?, ?, ?, ?, ?, ?)',
  )
  return (session: string, seq: number, conversation: Conversation): number => {
    const line = conversation.line().subarray(0, -1)
    const excerpt = line.toString('latin1', 100, 400)
    let bytes: number
    // As OpenClaw does: what is long is compressed where it lies.
    if (line.length > 4096) {
      const packed = zstdCompressSync(line)
      event.run(session, seq, null, BEGAN_MS + seq, packed, line.length, NAVIGATION)
      bytes = packed.length + 240
    } else {
      event.run(session, seq, line.toString('utf8'), BEGAN_MS + seq, null, line.length, null)
      bytes = line.length + 100
    }
    active.run(session, seq - 1, seq, seq - 1)
    if (random.below(12) === 0) {
      const { lastInsertRowid } = found.run(session, conversation.last)
      words.run(lastInsertRowid, excerpt, session, conversation.last, 'user', String(BEGAN_MS))
      bytes += 350
    }
    if (random.below(24) === 0) {
      const text = prose(random, 1200).toString('latin1')
      const path = `memory/2026-0${1 + random.below(9)}-1${random.below(9)}.md`
      const model = 'text-embedding-3-small'
      const embedding = random.bytes(6144)
      const from = random.below(100)
      const id = random.uuid()
      memory.run(id, path, from, from + 100, random.hex(64), model, text, embedding, BEGAN_MS)
      bytes += 7600
    }
    return bytes
  }
}
