/** The three programs as a user runs them: one file each from dist/, in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openclawEnv } from './openclaw.ts'
import { until } from './until.ts'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))

/** One of the three as it ships, or as OCM_DIST keeps it: a bench goes on while others build. */
export const programOf = (name: string): string =>
  join(process.env['OCM_DIST'] ?? DIST, `${name}.mjs`)

export interface Running {
  readonly process: ChildProcess
  /** All that it has printed so far on either stream. */
  output(): string
  /** Ends it as a service manager would. */
  stop(): Promise<void>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

/** How a program is run otherwise than by itself. */
export interface Under {
  /** A module that is loaded before it. */
  readonly preload?: string
  readonly env?: Readonly<Record<string, string>>
  /** The account, where it is not the one that runs the tests. */
  readonly account?: { readonly uid: number; readonly gid: number }
  /** A command with its arguments that runs it, in the place of `account`: one that enters a namespace first. */
  readonly through?: readonly string[]
}

/** How `argv` is spawned: by itself, as that account, or through what brings it there. */
export function spawned(
  { account, through = [] }: Under,
  argv: readonly string[],
): { readonly file: string; readonly args: readonly string[]; readonly as: object } {
  const [file = '', ...args] = [...through, ...argv]
  return { file, args, as: through.length > 0 || account === undefined ? {} : { ...account } }
}

function launch(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  under: Under = {},
): Running {
  // A bench may want to know where the processor time goes.
  const profile = process.env['OCM_PROFILE']
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const preload = under.preload === undefined ? [] : ['--import', under.preload]
  const argv = [process.execPath, ...profiling, ...preload, programOf(name), ...args]
  const how = spawned(under, argv)
  const child = spawn(how.file, how.args, {
    env: { ...env, ...under.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...how.as,
  })
  let output = ''
  const keep = (part: Buffer) => {
    output += part.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const end = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  return {
    process: child,
    output: () => output,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

export interface RunningHub extends Running {
  readonly url: string
  readonly setupLink: string
  readonly data: string
}

const SETUP_LINK = /(https?:\/\/\S+\/setup#\S+)/

/** A hub on a port that is free, with its data in `data`. */
export async function startHub(
  data: string,
  options: {
    readonly port?: number
    readonly publicUrl?: string
    readonly under?: Under
    readonly more?: readonly string[]
  } = {},
): Promise<RunningHub> {
  const args = [
    'serve',
    '--data',
    data,
    '--port',
    String(options.port ?? 0),
    ...(options.more ?? []),
  ]
  if (options.publicUrl !== undefined) args.push('--public-url', options.publicUrl)
  const running = launch('ocm-hub', args, process.env, options.under)
  // The first line that people see comes last, when everything else is up.
  const said = (what: RegExp) => what.exec(running.output())?.[1]
  await until(
    () => {
      if (running.process.exitCode !== null) throw new Error(`hub ended:\n${running.output()}`)
      return said(/^OCM hub: (\S+)$/m) !== undefined
    },
    { timeoutMs: 30_000, what: 'the hub prints its address' },
  )
  // It lies there until the hub is set up.
  const isNew = existsSync(join(data, 'setup-link'))
  await until(() => !isNew || said(SETUP_LINK) !== undefined, {
    timeoutMs: 5000,
    what: 'a new hub prints its set-up link',
  })
  const url = said(/listening at (https?:\/\/[\d.]+:\d+)/) ?? ''
  return { ...running, url, setupLink: said(SETUP_LINK) ?? '', data }
}

export interface AgentPlace {
  /** The agent's own state directory. */
  readonly state: string
  /** The home of the OpenClaw it serves. */
  readonly home: string
  readonly openclaw: string
}

const agentArgs = (command: string, place: AgentPlace) => [
  command,
  '--state',
  place.state,
  '--openclaw-home',
  place.home,
  '--openclaw-bin',
  place.openclaw,
]

const agentEnv = (place: AgentPlace) => openclawEnv(place.home)

export const startAgent = (place: AgentPlace, under?: Under): Running =>
  launch('ocm-agent', agentArgs('run', place), agentEnv(place), under)

export interface Answer {
  readonly code: number
  readonly out: string
  readonly err: string
}

function ask(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  under: Under = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const how = spawned(under, [process.execPath, programOf(name), ...args])
    const child = spawn(how.file, how.args, {
      env: { ...env, ...under.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...how.as,
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (part: Buffer) => {
      out += part.toString()
    })
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? -1, out, err }))
  })
}

/** A command of the hub's program that ends by itself. */
export const askHub = (...args: readonly string[]): Promise<Answer> =>
  ask('ocm-hub', args, process.env)

export const joinAgent = (place: AgentPlace, joinString: string, under?: Under): Promise<Answer> =>
  ask('ocm-agent', [...agentArgs('join', place), joinString], agentEnv(place), under)

/** An operator at a terminal of their own: a config directory, the password and the passphrase in 0600 files. */
export interface Operator {
  /** What `ocm` is told through its environment. */
  readonly env: NodeJS.ProcessEnv
  ocm(...args: readonly string[]): Promise<Answer>
  /** Runs with --json and fails loudly unless it is done. */
  json<T>(...args: readonly string[]): Promise<T>
}

export const PASSWORD = 'login-password-of-the-test'
export const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'

/** @param more of the environment, over what it would be. */
export function operatorAt(
  folder: string,
  hub: string,
  more: Readonly<Record<string, string>> = {},
): Operator {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const secret = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, `${text}\n`, { mode: 0o600 })
    return path
  }
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    OCM_URL: hub,
    OCM_PASSPHRASE_FILE: secret('passphrase', PASSPHRASE),
    OCM_PASSWORD_FILE: secret('password', PASSWORD),
    NO_COLOR: '1',
    ...more,
  }
  const ocm = (...args: readonly string[]) => ask('ocm', args, env)
  return {
    env,
    ocm,
    json: async <T>(...args: readonly string[]) => {
      const answer = await ocm(...args, '--json', '--yes')
      if (answer.code !== 0) {
        throw new Error(
          `ocm ${args.join(' ')} answered ${answer.code}\n${answer.out}\n${answer.err}`,
        )
      }
      return JSON.parse(answer.out) as T
    },
  }
}
