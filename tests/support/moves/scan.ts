/** Where a moved tree still names its old home. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { traces } from '../traces.ts'

/**
 * Text for people and models, what was said and done, and titles, which OpenClaw makes of what was said: a move leaves
 * them as they are unless asked.
 */
const isProse = (where: string): boolean =>
  /(?:MEMORY|SKILL|HOOK)\.md$/.test(where) ||
  /(?:tool\.sh|source-origin\.json)$/.test(where) ||
  /session_transcript_fts|transcript_events|trajectory_runtime_events/.test(where) ||
  /(?:task_runs\.task|display_name|cron_jobs\.(?:job_json|state_json))$/.test(where) ||
  where.endsWith('session_nodes.entry_json') ||
  // Logs say what was.
  /\/logs\//.test(where)

/**
 * Files, links, names and every string of every database.
 * @param old the home it had. @param tree where it is now. @returns places, none when nothing is left
 */
export function leftovers(tree: string, old: string): readonly string[] {
  // Of `/home/al` a path in `/home/alice` is no mention, so that what follows is looked at.
  const words = ['/', '"', "'", '\n', ' ', ','].map((after) => old + after)
  const places = traces(tree, words, 'plain').map(({ where }) => where.replace(`${tree}/`, ''))
  return [...new Set(places)].filter((where) => !isProse(where)).toSorted()
}

const WORDS = new Set(['message', 'text', 'name', 'description', 'prompt', 'title', 'displayName'])

/** What a machine reads in the rows that `leftovers` takes for prose: how jobs are run, where conversations work. */
export function pathsInRows(state: string, old: string): readonly string[] {
  const found: string[] = []
  const look = (file: string, table: string, column: string) => {
    if (!existsSync(file)) return
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      for (const row of database.prepare(`SELECT ${column} AS json FROM ${table}`).all()) {
        JSON.parse(String(row['json']), (key, value: unknown) => {
          const isPath = typeof value === 'string' && (value === old || value.startsWith(`${old}/`))
          if (isPath && !WORDS.has(key)) found.push(`${table} ${key} ${value}`)
          return value
        })
      }
    } finally {
      database.close()
    }
  }
  look(join(state, 'state', 'openclaw.sqlite'), 'cron_jobs', 'job_json')
  const agents = join(state, 'agents')
  for (const persona of existsSync(agents) ? readdirSync(agents) : []) {
    const file = join(agents, persona, 'agent', 'openclaw-agent.sqlite')
    look(file, 'session_nodes', 'entry_json')
  }
  return found
}
