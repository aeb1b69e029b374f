/** What OpenClaw lists of a node, by its own commands where they need no gateway, else as its database has it. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { OPENCLAW, openclawEnv } from '../openclaw.ts'
import { type Under, spawned } from '../programs.ts'

/** A node as its own command line sees it. */
export interface Seat {
  readonly home: string
  readonly state: string
  readonly under?: Under
}

export const seatAt = (home: string, under?: Under): Seat => {
  const profile = under?.env?.['OPENCLAW_PROFILE']
  const state = join(home, `.openclaw${profile === undefined ? '' : `-${profile}`}`)
  return { home, state, ...(under === undefined ? {} : { under }) }
}

const run = promisify(execFile)

/** @returns what one command of OpenClaw prints as JSON. */
async function ask(seat: Seat, args: readonly string[], program: string): Promise<unknown> {
  const { home, under = {} } = seat
  // The environment alone does not tell the command line of a profile, as it tells a service.
  const profile = under.env?.['OPENCLAW_PROFILE']
  const words = [...(profile === undefined ? [] : ['--profile', profile]), ...args, '--json']
  const how = spawned(under, [process.execPath, program, ...words])
  const { stdout } = await run(how.file, how.args, {
    cwd: home,
    env: { ...openclawEnv(home), ...under.env },
    maxBuffer: 64 << 20,
    timeout: 170_000,
    ...how.as,
  })
  return JSON.parse(stdout.slice(stdout.search(/[[{]/)))
}

/**
 * Ids of the cron jobs of people, as `openclaw cron list` answers: those that are filed under the path of the state
 * directory. One that is filed elsewhere is marked, null where there is no state.
 */
export function userJobs(home: string, state = join(home, '.openclaw')): readonly string[] | null {
  const file = join(state, 'state', 'openclaw.sqlite')
  if (!existsSync(file)) return null
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database
      .prepare('SELECT job_id, store_key FROM cron_jobs WHERE declaration_key IS NULL')
      .all()
    const store = join(state, 'cron', 'jobs.json')
    return rows
      .map((row) => `${String(row['job_id'])}${row['store_key'] === store ? '' : ' lost'}`)
      .toSorted()
  } finally {
    database.close()
  }
}

/** As a running gateway tells it. */
export async function toldJobs(seat: Seat, program = OPENCLAW): Promise<readonly string[]> {
  const { jobs } = (await ask(seat, ['cron', 'list', '--all'], program)) as {
    jobs: { id: string; declarationKey?: string }[]
  }
  const user = jobs.filter(({ declarationKey }) => declarationKey === undefined)
  return user.map(({ id }) => id).toSorted()
}

export interface Listed {
  readonly personas: readonly string[]
  readonly userCron: readonly string[] | null
  readonly authProfiles?: readonly string[]
  readonly plugins?: readonly string[]
  readonly skills?: readonly string[]
  readonly conversations?: readonly string[]
}

/**
 * Needs no gateway.
 * @param depth each command takes a core for some seconds: `few` asks one of them
 */
export async function listed(
  seat: Seat,
  persona: string,
  depth: 'all' | 'few' = 'all',
): Promise<Listed> {
  const of = (args: readonly string[]) => ask(seat, args, OPENCLAW)
  const agents = (await of(['agents', 'list'])) as { id: string }[]
  const some: Listed = {
    personas: agents.map(({ id }) => id).toSorted(),
    userCron: userJobs(seat.home, seat.state),
  }
  if (depth === 'few') return some
  const [sessions, plugins, profiles, skills] = (await Promise.all([
    of(['sessions', '--all-agents']),
    of(['plugins', 'list']),
    of(['models', 'auth', 'list', '--agent', persona]),
    of(['skills', 'list', '--agent', persona]),
  ])) as [
    { sessions: { key: string; sessionId: string }[] },
    { plugins: { id: string; origin: string; enabled: boolean; status: string }[] },
    { profiles: { id: string; type: string }[] },
    { skills: { name: string }[] },
  ]
  return {
    ...some,
    authProfiles: profiles.profiles.map(({ id, type }) => `${id} ${type}`).toSorted(),
    plugins: plugins.plugins
      .filter(({ origin, enabled }) => origin !== 'bundled' || enabled)
      .map(({ id, status }) => `${id} ${status}`)
      .toSorted(),
    skills: skills.skills.map(({ name }) => name).toSorted(),
    conversations: sessions.sessions.map(({ key, sessionId }) => `${key} ${sessionId}`).toSorted(),
  }
}
