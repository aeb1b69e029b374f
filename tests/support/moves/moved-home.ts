/** A home with cron jobs of its own and a bot: what is to be there once, whatever happens to a move. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { smallHome } from '../small-home.ts'

export const TOKEN = '1234567890:token-of-the-moved-bot'
export const JOBS = ['job-of-the-morning', 'job-of-the-hour', 'job-of-one-day'] as const

const stateOf = (home: string) => join(home, '.openclaw')

/** @param telegram where its bot polls. Tables as OpenClaw has them, as far as a move looks at them. */
export function movedHome(home: string, port: number, telegram: string): string {
  smallHome(home, port)
  const file = join(stateOf(home), 'openclaw.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as object
  const channels = { telegram: { enabled: true, botToken: TOKEN, apiRoot: telegram } }
  writeFileSync(file, JSON.stringify({ ...config, channels }, null, 2), { mode: 0o600 })
  mkdirSync(join(stateOf(home), 'state'))
  const database = new DatabaseSync(join(stateOf(home), 'state', 'openclaw.sqlite'))
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA user_version = 18;
    CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT);
    CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, declaration_key TEXT, enabled INTEGER, job_json TEXT);
    CREATE TABLE device_identities (identity_key TEXT PRIMARY KEY, device_id TEXT, private_key_pem TEXT);
    INSERT INTO device_identities VALUES ('primary', 'device-of-the-moved', 'no key');`)
  const add = database.prepare('INSERT INTO cron_jobs VALUES (?, ?, NULL, 1, ?)')
  for (const id of JOBS) {
    const job = { id, name: id, schedule: { kind: 'cron', expr: '0 8 * * *' }, cwd: home }
    add.run(join(stateOf(home), 'cron/jobs.json'), id, JSON.stringify(job))
  }
  database.close()
  return home
}

/** The ids that OpenClaw would see there: filed under the state directory's own path; null where there is no state. */
export function jobsAt(home: string): readonly string[] | null {
  const file = join(stateOf(home), 'state', 'openclaw.sqlite')
  if (!existsSync(file)) return null
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const store = join(stateOf(home), 'cron/jobs.json')
    const rows = database.prepare('SELECT job_id, store_key, job_json FROM cron_jobs').all()
    return rows
      .map((row) => {
        const isSeen = row['store_key'] === store && String(row['job_json']).includes(home)
        return `${String(row['job_id'])}${isSeen ? '' : ' lost'}`
      })
      .toSorted()
  } finally {
    database.close()
  }
}
