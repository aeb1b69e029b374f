/**
 * This machine's OpenClaw, started on a throw-away tree: without channels, cron jobs, updates and, where it can be had,
 * any network. It is killed as soon as it is known what it makes of the tree, so nothing it would do at its end is done.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type ErrorCode,
  type Inventory,
  OcmError,
  isWithin,
  rewritePath,
  rewriteText,
  rulesBetween,
} from '@ocm/protocol'
import type { TrialTree, Tried } from '../installation.port.ts'
import { editJson5 } from './config-edit.ts'
import { type Where, discover } from './discovery.ts'
import { errno } from './errno.ts'
import { environOf, gatewayProcesses, waitUntil } from './gateway-watch.ts'
import { notedPlaces } from './implied.ts'
import { removeLockTraces } from './lock-traces.ts'
import { withOwnNode } from './run.ts'
import { parsed } from './salvage.ts'
import { REGENERABLE } from './sources.ts'
import { isTree } from './tree.ts'
import { ownNetwork } from './trial-network.ts'
import { threadProgram } from './warden/embedded.ts'
import type { WardenSaid, WardenTask } from './warden/thread.ts'

const QUESTION_MS = 60_000
/** What the warden may take beyond the times that it keeps by itself, on a machine that is busy. */
const GRACE_MS = 60_000
/** Of a second look for a network, where the first has found none that was there before. */
const PATIENT_MS = 30_000
const WORDS = 4000
/** In the environment of everything that a trial starts; its value is the directory of the trial. */
const MARK = 'OCM_TRIAL'

/**
 * Says and does nothing by itself: no channels, no cron jobs, no mail watch, no update, no announcement, no warming up
 * of models.
 */
const MUTE: Readonly<Record<string, string>> = {
  OPENCLAW_SKIP_CHANNELS: '1',
  OPENCLAW_SKIP_CRON: '1',
  OPENCLAW_SKIP_GMAIL_WATCHER: '1',
  OPENCLAW_SKIP_BROWSER_CONTROL_SERVER: '1',
  OPENCLAW_SKIP_STARTUP_MODEL_PREWARM: '1',
  OPENCLAW_NO_RESPAWN: '1',
  OPENCLAW_NO_AUTO_UPDATE: '1',
  OPENCLAW_DISABLE_BONJOUR: '1',
  OPENCLAW_OFFLINE: '1',
}

/** Where there is no network of its own to be had: whatever asks for the way out is sent to a port that nobody has. */
const NOWHERE = 'http://127.0.0.1:9'
const DEAD_END: Readonly<Record<string, string>> = {
  NODE_USE_ENV_PROXY: '1',
  ...Object.fromEntries(
    ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [
      [name, NOWHERE],
      [name.toLowerCase(), NOWHERE],
    ]),
  ),
}

export interface TrialSite {
  /** The live installation, whose gateway's environment tells what a start here would have. */
  readonly home: string
  readonly stateDir: string
  readonly bin: string | null
}

/**
 * @param where the tree to be tried, found as OpenClaw finds it.
 * @param inventory what OpenClaw lists in that tree, by reading it.
 * @throws OcmError 'openclaw-missing'; 'trial-failed' without the network that was promised; 'trial-unanswered';
 * 'job-cancelled' when `signal` says so. Nothing runs any more in any case
 */
export async function tryTree(
  site: TrialSite,
  tree: TrialTree,
  where: Pick<Where, 'home' | 'state' | 'config'>,
  inventory: () => Inventory | null,
  timeoutMs: number,
  signal: AbortSignal,
  findNetwork: typeof ownNetwork = ownNetwork,
  graceMs = GRACE_MS,
): Promise<Tried> {
  if (site.bin === null) throw new OcmError('openclaw-missing')
  const { directory, layout, isPromised = false } = tree
  const network = (await findNetwork()) ?? (isPromised ? await findNetwork(PATIENT_MS) : undefined)
  if (isPromised && network === undefined) throw new OcmError('trial-failed', { why: 'network' })
  const scratch = path.join(directory, 'tmp')
  mkdirSync(scratch, { recursive: true, mode: 0o700 })
  mkdirSync(where.home, { recursive: true, mode: 0o700 })
  cutLoose(directory, where.config)
  keepLogInside(where.config, path.join(scratch, 'openclaw.log'))
  const env = {
    ...environmentOf(site, tree),
    ...MUTE,
    ...(network ? {} : DEAD_END),
    HOME: where.home,
    TMPDIR: scratch,
    OPENCLAW_STATE_DIR: where.state,
    OPENCLAW_CONFIG_PATH: where.config,
    [MARK]: directory,
  }
  const output = path.join(scratch, 'gateway.out')
  const port = String(layout.port)
  const run = ['gateway', 'run', '--port', port, '--bind', 'loopback', '--tailscale', 'off']
  const task: WardenTask = {
    argv: [site.bin, ...run],
    cwd: where.home,
    env,
    output,
    stateDir: where.state,
    port: layout.port,
    timeoutMs,
    question: { argv: [site.bin, 'cron', 'list', '--all', '--json'], timeoutMs: QUESTION_MS },
  }
  const warden = startWarden(network ?? [], task, env, graceMs)
  try {
    const ready = await warden.ready(signal)
    const asked = ready ? cronIn(await warden.answer(signal)) : null
    return {
      ready,
      isolated: network !== undefined,
      inventory: ready ? inventory() : null,
      cronAsked: asked,
      pluginsMissing: missingPlugins(site, where),
      words: ready || !existsSync(output) ? '' : readFileSync(output, 'utf8').slice(-WORDS),
    }
  } finally {
    warden.end()
    await endTrial(directory)
  }
}

/**
 * Ends all that a trial in that directory has left running, and removes what lies elsewhere; the directory itself stays.
 * @throws OcmError 'gateway-will-not-stop'
 */
export async function endTrial(directory: string): Promise<void> {
  const gone = await waitUntil(() => {
    const left = trialProcesses(directory)
    for (const pid of left) kill(pid)
    return left.length === 0
  }, GONE_MS)
  if (!gone) throw new OcmError('gateway-will-not-stop')
  removeLockTraces(directory)
}

const GONE_MS = 30_000

/** Whatever it has started knows the mark too, wherever it has got to; what is dead already shows none. */
const trialProcesses = (directory: string): readonly number[] =>
  process.platform === 'linux'
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
        .map(Number)
        .filter((pid) => environOf(pid)[MARK] === directory)
    : []

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (errno(error) !== 'ESRCH') throw error
  }
}

/** Where a copy's own files are; never a file of the live installation, wherever that has its configuration. */
export function whereOf(tree: TrialTree, live: Where, agentStateDir: string): Where {
  const { home, state } = tree.layout.roots as { home: string; state: string }
  const pinned = rewritePath(live.config, rulesBetween(tree.from, tree.layout))
  const isIn = isWithin(tree.directory, pinned) && existsSync(pinned)
  const configPath = isIn ? { configPath: pinned } : {}
  return discover({ home, stateDir: state, env: {}, agentStateDir, ...configPath })
}

/** A port that is free here, and not the one that something live has or is to have. */
export async function portForTrial(live: readonly number[]): Promise<number> {
  for (;;) {
    const server = createServer()
    server.listen({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const address = server.address()
    server.close()
    await once(server, 'close')
    if (address !== null && typeof address === 'object' && !live.includes(address.port))
      return address.port
  }
}

/** Belonging to the place, the manager or the way out of the gateway that runs; a copy gets its own. */
const NOT_FOR_A_COPY =
  /^(?:HOME|PWD|OLDPWD|TMPDIR|NODE_OPTIONS|NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_.*|DBUS_.*|XDG_.*|(?:NODE_USE_ENV|HTTPS?|ALL|NO|https?|all|no)_(?:PROXY|proxy)|OPENCLAW_(?!GATEWAY_(?:TOKEN|PASSWORD)$).*)$/

/** As the gateway that runs here has it, as far as that can be seen: references to variables are to find theirs. */
function environmentOf(site: TrialSite, { layout, from }: TrialTree): Record<string, string> {
  const running = gatewayProcesses(site)[0]
  const live = running === undefined ? {} : environOf(running.pid)
  const rules = rulesBetween(from, layout)
  const own = Object.entries(live).filter(([name]) => !NOT_FOR_A_COPY.test(name))
  return {
    LANG: process.env['LANG'] ?? 'C.UTF-8',
    ...Object.fromEntries(own.map(([name, value]) => [name, rewriteText(value, rules)])),
    PATH: withOwnNode(live['PATH'] ?? process.env['PATH']),
  }
}

/**
 * A configuration may be a link to a file that lies outside of all roots, so the copy's link leads to what is live; it is
 * written to here and by OpenClaw.
 */
function cutLoose(directory: string, config: string): void {
  if (!lstatSync(config, { throwIfNoEntry: false })?.isSymbolicLink() || !existsSync(config)) return
  if (isWithin(realpathSync(directory), realpathSync(config))) return
  const text = readFileSync(config)
  rmSync(config)
  writeFileSync(config, text, { mode: 0o600 })
}

/** OpenClaw logs to a file that all gateways of the account share unless it is told another one. */
function keepLogInside(config: string, log: string): void {
  if (!existsSync(config)) return
  const text = readFileSync(config, 'utf8')
  const value = parsed(text)
  if (!isTree(value)) return
  const logging = value['logging']
  if (isTree(logging) ? '$include' in logging : logging !== undefined) return
  const edited = { ...value, logging: { ...(isTree(logging) ? logging : {}), file: log } }
  writeFileSync(
    config,
    editJson5(text, () => edited),
  )
}

/** OpenClaw becomes ready without them, and says so in its log alone. */
function missingPlugins(site: TrialSite, { state }: Pick<Where, 'state'>): readonly string[] {
  const isCarriedOver = (absolute: string) => {
    const inside = path.relative(state, absolute)
    const [name = ''] = inside.split('/')
    return REGENERABLE.includes(name) && existsSync(path.join(site.stateDir, inside))
  }
  return notedPlaces(state, {})
    .plugins.filter(({ absolute }) => !existsSync(absolute) && !isCarriedOver(absolute))
    .map(({ id }) => id)
}

/** Ids of the user's cron jobs, as the gateway lists them; null when it did not answer in a form that is known. */
function cronIn(answer: string | null): readonly string[] | null {
  const value = answer === null ? undefined : parsed(answer.slice(Math.max(answer.indexOf('{'), 0)))
  const jobs = isTree(value) ? value['jobs'] : undefined
  if (!Array.isArray(jobs)) return null
  return jobs.flatMap((job: unknown) =>
    isTree(job) && typeof job['id'] === 'string' && job['declarationKey'] === undefined
      ? [job['id']]
      : [],
  )
}

interface Warden {
  ready(signal: AbortSignal): Promise<boolean>
  answer(signal: AbortSignal): Promise<string | null>
  end(): void
}

function startWarden(
  network: readonly string[],
  task: WardenTask,
  env: Readonly<Record<string, string>>,
  graceMs: number,
): Warden {
  const program =
    threadProgram === undefined
      ? [fileURLToPath(new URL('warden/thread.ts', import.meta.url))]
      : ['-e', threadProgram]
  const [file = '', ...args] = [...network, process.execPath, ...program]
  const own = { PATH: withOwnNode(process.env['PATH']), [MARK]: env[MARK] ?? '' }
  const child = spawn(file, args, { env: own, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  const ended = new Promise<null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', () => resolve(null))
  })
  // It may be gone before it has read; then it says nothing, which is seen.
  child.stdin.on('error', () => undefined)
  child.stdin.write(`${JSON.stringify(task)}\n`)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (signal: AbortSignal, withinMs: number): Promise<WardenSaid | null> => {
    const deadline = AbortSignal.timeout(withinMs + graceMs)
    const line = await Promise.race([
      lines.next(),
      ended,
      whenAborted(signal, 'job-cancelled'),
      whenAborted(deadline, 'trial-unanswered'),
    ])
    return line === null || line.done === true ? null : (JSON.parse(line.value) as WardenSaid)
  }
  return {
    async ready(signal) {
      const said = await next(signal, task.timeoutMs)
      return said?.said === 'ready' && said.isReady
    },
    async answer(signal) {
      const said = await next(signal, task.question.timeoutMs)
      return said?.said === 'answer' ? said.text : null
    },
    end: () => child.stdin.end(),
  }
}

const whenAborted = (signal: AbortSignal, code: ErrorCode): Promise<never> =>
  new Promise((_, reject) => {
    const give = () => reject(new OcmError(code))
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  })
