/** The home of an OpenClaw that was configured and never started: enough for whatever needs no gateway. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function smallHome(home: string, port: number): string {
  const state = join(home, '.openclaw')
  mkdirSync(join(state, 'workspace'), { recursive: true })
  const config = {
    gateway: {
      mode: 'local',
      port,
      auth: { mode: 'token', token: 'a-token-that-is-long-enough-0001' },
    },
    agents: { defaults: { workspace: join(state, 'workspace') } },
  }
  writeFileSync(join(state, 'openclaw.json'), JSON.stringify(config, null, 2), { mode: 0o600 })
  writeFileSync(join(state, '.env'), 'SOME_KEY=of-a-small-home\n', { mode: 0o600 })
  writeFileSync(join(state, 'workspace', 'MEMORY.md'), '# Memory\n')
  return home
}
