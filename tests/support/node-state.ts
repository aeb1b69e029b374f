/** Facts that a test reads off a node's own files, where OpenClaw has no command that tells them. */
import { DatabaseSync } from 'node:sqlite'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The pid of the gateway that holds the state directory, undefined when none does. */
export function gatewayPid(home: string): number | undefined {
  const folder = join(home, '.openclaw', 'tmp', `openclaw-${process.getuid?.() ?? 0}`)
  const lock = join(folder, 'gateway.state.lock')
  if (!existsSync(lock)) return undefined
  const { pid } = JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }
  return existsSync(`/proc/${pid}`) ? pid : undefined
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
