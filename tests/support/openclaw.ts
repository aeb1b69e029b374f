/** The real OpenClaw of this workspace: its command line, and a gateway that a test did not start through OCM. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync, realpathSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { until } from './until.ts'

const packageRoot = realpathSync(
  fileURLToPath(new URL('../node_modules/openclaw', import.meta.url)),
)
export const OPENCLAW = join(packageRoot, 'openclaw.mjs')
/** A folder with `node` (24) and `openclaw` in it, for PATH. */
export const OPENCLAW_BIN = fileURLToPath(new URL('../node_modules/.bin', import.meta.url))

const run = promisify(execFile)

/** Nothing of the developer's own machine leaks in: no provider keys, no OPENCLAW_* settings. */
export function openclawEnv(home: string): NodeJS.ProcessEnv {
  return {
    HOME: home,
    PATH: `${dirname(process.execPath)}:${OPENCLAW_BIN}:/usr/local/bin:/usr/bin:/bin`,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    OPENCLAW_DISABLE_BONJOUR: '1',
    OPENCLAW_OFFLINE: '1',
    OPENCLAW_NO_AUTO_UPDATE: '1',
  }
}

/** Runs one command of the CLI and answers its standard output. */
export async function openclaw(
  home: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const running = run(process.execPath, [OPENCLAW, ...args], {
    cwd: home,
    env: { ...openclawEnv(home), ...options.env },
    maxBuffer: 64 << 20,
    timeout: 170_000,
  })
  running.child.stdin?.end(options.input ?? '')
  return (await running).stdout
}

/** Like `openclaw`, for commands that print JSON; what they say before it is dropped. */
export async function openclawJson(home: string, args: readonly string[]): Promise<unknown> {
  const text = await openclaw(home, args)
  return JSON.parse(text.slice(text.search(/[[{]/)))
}

export interface RunningGateway {
  readonly pid: number
  stop(): Promise<void>
}

/** Starts `openclaw gateway run` as any user would, detached, and waits until it is ready. */
export async function startGateway(home: string, port: number): Promise<RunningGateway> {
  await mkdir(join(home, 'logs'), { recursive: true })
  const log = join(home, 'logs', 'gateway.out')
  const out = openSync(log, 'a')
  const child = spawn(
    process.execPath,
    [OPENCLAW, 'gateway', 'run', '--port', String(port), '--bind', 'loopback'],
    { cwd: home, env: openclawEnv(home), detached: true, stdio: ['ignore', out, out] },
  )
  closeSync(out)
  child.unref()
  const ended = whenEnded(child)
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`gateway ended:\n${await readFile(log, 'utf8')}`)
      return isReady(port)
    },
    { timeoutMs: 150_000, what: `gateway on ${port}` },
  )
  return {
    pid: child.pid as number,
    stop: async () => {
      if (child.exitCode === null) child.kill('SIGTERM')
      await ended
    },
  }
}

const whenEnded = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })

export async function isReady(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, {
      signal: AbortSignal.timeout(2000),
    })
    return ((await answer.json()) as { ready?: boolean }).ready === true
  } catch {
    return false // Not listening yet, or no longer.
  }
}

/** What OpenClaw itself lists, normalised so that two nodes are compared by value. Needs a running gateway. */
export async function lists(home: string) {
  const persona = 'quillwork'
  // Each of these commands takes a core for some seconds, and most of them wait for a disk or a gateway in between.
  const [cron, agents, sessions, { plugins }, { profiles }, { skills }] = (await Promise.all(
    [
      ['cron', 'list', '--all'],
      ['agents', 'list'],
      ['sessions', '--all-agents'],
      ['plugins', 'list'],
      ['models', 'auth', 'list', '--agent', persona],
      ['skills', 'list', '--agent', persona],
    ].map((words) => openclawJson(home, [...words, '--json'])),
  )) as [
    {
      jobs: {
        id: string
        name: string
        declarationKey?: string
        enabled: boolean
        agentId?: string
      }[]
    },
    { id: string }[],
    { sessions: { key: string; sessionId: string }[] },
    { plugins: { id: string; origin: string; enabled: boolean; status: string }[] },
    { profiles: { id: string; type: string }[] },
    { skills: { name: string; bundled?: boolean }[] },
  ]
  return {
    personas: agents.map(({ id }) => id).toSorted(),
    userCron: cron.jobs
      .filter((job) => job.declarationKey === undefined)
      .map(({ id, name, enabled, agentId }) => ({ id, name, enabled, agentId }))
      .toSorted((a, b) => a.id.localeCompare(b.id)),
    authProfiles: profiles.map(({ id, type }) => `${id} ${type}`).toSorted(),
    plugins: plugins
      .filter(({ origin, enabled }) => origin !== 'bundled' || enabled)
      .map(({ id, status }) => `${id} ${status}`)
      .toSorted(),
    skills: skills.map(({ name }) => name).toSorted(),
    conversations: sessions.sessions.map(({ key, sessionId }) => `${key} ${sessionId}`).toSorted(),
  }
}

export type Lists = Awaited<ReturnType<typeof lists>>
