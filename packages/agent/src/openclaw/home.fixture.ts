/** Small real homes for tests: files and SQLite databases with the tables of OpenClaw that are read here. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'

export interface Home {
  readonly home: string
  readonly state: string
  /** Where a name under the home lies. */
  at(name: string): string
  write(name: string, content: string | Uint8Array): string
}

/** Removed when the test ends. */
export function makeHome(): Home {
  const home = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-openclaw-')))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const at = (name: string) => path.join(home, name)
  mkdirSync(at('.openclaw'), { mode: 0o700 })
  return {
    home,
    state: at('.openclaw'),
    at,
    write(name, content) {
      mkdirSync(path.dirname(at(name)), { recursive: true })
      writeFileSync(at(name), content)
      return at(name)
    },
  }
}

const STATE_TABLES = `
  PRAGMA user_version = 18;
  CREATE TABLE agent_databases (agent_id TEXT, path TEXT, PRIMARY KEY (agent_id, path));
  CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT);
  CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, declaration_key TEXT, enabled INTEGER, job_json TEXT);
  CREATE TABLE device_identities (identity_key TEXT PRIMARY KEY, device_id TEXT, private_key_pem TEXT);
  CREATE TABLE device_pairing_paired (device_id TEXT PRIMARY KEY);
  CREATE TABLE channel_pairing_allow_entries (channel_key TEXT, entry TEXT);
  CREATE TABLE secret_store_entries (name TEXT, value TEXT, deleted_at_ms INTEGER);
  CREATE TABLE exec_approvals_config (config_key TEXT PRIMARY KEY, raw_json TEXT);
  CREATE TABLE diagnostic_events (payload_json TEXT);`

const AGENT_TABLES = `
  PRAGMA user_version = 23;
  CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT);
  CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT);`

/** Left as a stopped gateway leaves it, without a log beside it, unless `keepOpen`: then as a running one has it. */
export function makeDatabase(file: string, sql: string, keepOpen = false): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(sql)
  if (keepOpen) onTestFinished(() => database.close())
  else database.close()
}

export const makeStateDatabase = ({ state }: Home, sql = '', keepOpen = false): void =>
  makeDatabase(path.join(state, 'state/openclaw.sqlite'), STATE_TABLES + sql, keepOpen)

export const makeAgentDatabase = (
  { state }: Home,
  persona: string,
  sql = '',
  keepOpen = false,
): void =>
  makeDatabase(
    path.join(state, `agents/${persona}/agent/openclaw-agent.sqlite`),
    AGENT_TABLES + sql,
    keepOpen,
  )
