/** Where the installation of one node lies: home, state directory and configuration file, the way OpenClaw finds them itself. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { isWithin } from '@ocm/protocol'

export type Env = Readonly<Record<string, string | undefined>>

export interface Where {
  readonly home: string
  readonly state: string
  readonly config: string
  /** '' for the default profile. */
  readonly profile: string
  readonly env: Env
  /** The agent's own state directory: never captured, never replaced. */
  readonly agentState: string
  /** Of an archive that was unpacked: everything of the node lies below this directory, at its own path. */
  readonly below?: string
}

/** Where on this disk an absolute path of the node is. */
export const onThisDisk = ({ below }: Pick<Where, 'below'>, absolute: string): string =>
  below === undefined || isWithin(below, absolute) ? absolute : below + absolute

export interface WhereOptions {
  readonly home: string
  readonly stateDir?: string
  readonly configPath?: string
  readonly env?: Env
  readonly agentStateDir: string
}

const CONFIG_NAMES = ['openclaw.json', 'clawdbot.json']

/** Looked up again for each use: what is there changes while the agent runs. */
export function discover(options: WhereOptions): Where {
  const env = options.env ?? {}
  const home = homeOf(options.home, env)
  const profile = profileOf(env)
  const state = stateOf(home, profile, options.stateDir ?? pin(env, 'OPENCLAW_STATE_DIR'))
  const config = options.configPath ?? pin(env, 'OPENCLAW_CONFIG_PATH')
  return {
    home,
    state,
    config: config === undefined ? configIn(state) : resolveUserPath(config, home),
    profile,
    env,
    agentState: path.resolve(options.agentStateDir),
  }
}

/** '~' is the home; a relative path is taken from there too, because the gateway's working directory is not known. */
export function resolveUserPath(text: string, home: string): string {
  const trimmed = text.trim().replaceAll('\0', '')
  if (trimmed === '~' || trimmed.startsWith('~/')) return path.join(home, trimmed.slice(1))
  return path.resolve(home, trimmed)
}

const pin = (env: Env, name: string): string | undefined => env[name]?.trim() || undefined

/** OPENCLAW_HOME moves the home only for who did not name another one. */
function homeOf(home: string, env: Env): string {
  const pinned = pin(env, 'OPENCLAW_HOME')
  if (pinned === undefined || path.resolve(home) !== path.resolve(env['HOME'] ?? home)) {
    return path.resolve(home)
  }
  return resolveUserPath(pinned, path.resolve(home))
}

function profileOf(env: Env): string {
  const profile = pin(env, 'OPENCLAW_PROFILE') ?? ''
  const named = /^[a-z0-9][a-z0-9_-]{0,63}$/i.test(profile) && profile.toLowerCase() !== 'default'
  return named ? profile : ''
}

function stateOf(home: string, profile: string, pinned: string | undefined): string {
  if (pinned !== undefined) return resolveUserPath(pinned, home)
  if (profile !== '') return path.join(home, `.openclaw-${profile}`)
  const usual = path.join(home, '.openclaw')
  const former = path.join(home, '.clawdbot')
  return !existsSync(usual) && existsSync(former) ? former : usual
}

function configIn(state: string): string {
  const candidates = CONFIG_NAMES.map((name) => path.join(state, name))
  return candidates.find((candidate) => existsSync(candidate)) ?? (candidates[0] as string)
}
