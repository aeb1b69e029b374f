import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Schedule {
  readonly kind: string
  readonly everyMs?: number
}

/**
 * In a home that was made some time ago: OpenClaw makes up for jobs that fell due since, at some moment after its start,
 * and what they write would look like somebody else's doing. They are next due when they would be after that.
 * @param home its gateway does not run; all its `cron` expressions are daily.
 */
export function postponeJobs(home: string): void {
  const database = new DatabaseSync(join(home, '.openclaw', 'state', 'openclaw.sqlite'))
  try {
    const soon = Date.now() + HOUR_MS
    const jobs = database.prepare(
      "SELECT store_key, job_id, job_json, state_json ->> '$.nextRunAtMs' AS due FROM cron_jobs WHERE enabled = 1 AND due < ?",
    )
    const put = database.prepare(
      "UPDATE cron_jobs SET state_json = json_set(state_json, '$.nextRunAtMs', ?) WHERE store_key = ? AND job_id = ?",
    )
    for (const { store_key, job_id, job_json, due } of jobs.all(soon)) {
      const { schedule } = JSON.parse(String(job_json)) as { schedule: Schedule }
      const period = schedule.kind === 'every' ? (schedule.everyMs ?? DAY_MS) : DAY_MS
      const missed = Math.ceil((soon - Number(due)) / period)
      put.run(Number(due) + missed * period, store_key as string, job_id as string)
    }
  } finally {
    database.close()
  }
}
