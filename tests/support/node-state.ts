/** Facts that a test reads off a node's own files, where OpenClaw has no command that tells them. */
import { DatabaseSync } from 'node:sqlite'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The pid of the gateway that holds the state directory, undefined when none does. */
export function gatewayPid(
  home: string,
  state = join(home, '.openclaw'),
  uid = process.getuid?.() ?? 0,
): number | undefined {
  const folder = join(state, 'tmp', `openclaw-${uid}`)
  const lock = join(folder, 'gateway.state.lock')
  let text: string
  try {
    text = readFileSync(lock, 'utf8')
  } catch {
    return undefined // None, or it has just ended.
  }
  const { pid } = JSON.parse(text) as { pid: number }
  return isRunning(pid) ? pid : undefined
}

/** What has ended and was not waited for has a number still. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
  } catch {
    return false // It is gone.
  }
}

/** The node's device id, its public identity towards other devices. */
export function deviceOf(home: string): string {
  const database = new DatabaseSync(join(home, '.openclaw', 'state', 'openclaw.sqlite'), {
    readOnly: true,
  })
  try {
    const rows = database.prepare('select device_id from device_identities').all()
    return rows.map((row) => String(row['device_id'])).join(' ')
  } finally {
    database.close()
  }
}

/** Paths under `home` that a persona's conversations name as paths, not as part of a text. */
export function sessionPaths(at: string, persona: string, home: string): readonly string[] {
  const file = join(at, '.openclaw', 'agents', persona, 'agent', 'openclaw-agent.sqlite')
  if (!existsSync(file)) return []
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database.prepare('select entry_json from session_nodes').all()
    const found: string[] = []
    for (const row of rows) {
      JSON.parse(String(row['entry_json']), (_, value: unknown) => {
        if (typeof value === 'string' && value.startsWith(home)) found.push(value)
        return value
      })
    }
    return found
  } finally {
    database.close()
  }
}
