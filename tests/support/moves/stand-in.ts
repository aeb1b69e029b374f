/**
 * An OpenClaw that costs nothing to start, for moves by the dozen: its gateway takes the lock, answers /readyz, polls
 * the Telegram that its configuration names and ends on SIGTERM. Whatever else it is asked, the real one answers, or,
 * where a test has no use for what it would say, nobody: then every tree is well.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OPENCLAW } from '../openclaw.ts'

export interface StandIn {
  /** Has the real one validate and list; else everything is answered with yes. */
  readonly asksReal?: boolean
  /** The fault shows only where it is not tried. */
  readonly isTriedWell?: boolean
  readonly fault?: 'never-ready' | 'ends-at-once' | 'slow-to-stop'
}

/** What the program finds beside itself. */
export interface About extends StandIn {
  readonly real: string | null
}

/** @param folder made for it. @returns the program, for `--openclaw-bin` */
export function standIn(folder: string, wish: StandIn = {}): string {
  const home = join(folder, 'openclaw')
  mkdirSync(home, { recursive: true })
  const about = JSON.parse(readFileSync(join(OPENCLAW, '../package.json'), 'utf8')) as object
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...about, bin: {}, exports: {} }))
  const said: About = { ...wish, real: wish.asksReal ? OPENCLAW : null }
  writeFileSync(join(home, 'stand-in.json'), JSON.stringify(said))
  const program = join(home, 'openclaw.mjs')
  const source = fileURLToPath(new URL('./stand-in-openclaw.ts', import.meta.url))
  writeFileSync(program, `#!/usr/bin/env node\nimport ${JSON.stringify(source)}\n`)
  chmodSync(program, 0o755)
  return program
}
