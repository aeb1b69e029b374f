/** Puts an agent together: what it is made of, and how long it lives. The only file that knows everything. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { OcmError, fromBase64url, type StdioPreface, VERSION } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { readEnrolment } from './enrolment.ts'
import { serveErrand } from './errands/serve.ts'
import type { Installation } from './installation.port.ts'
import { type Fingerprints, fingerprintsOf, joinHub } from './join.ts'
import { connect } from './link/websocket.ts'
import { type Log, createLog } from './log.ts'
import { createInstallation } from './openclaw/installation.ts'
import { rewriteStaged } from './openclaw/rewriting.ts'
import { markRunning, runningAgent } from './running.ts'
import { type ServingParts, serve } from './serving.ts'
import { type Piped, attend } from './stdio.ts'
import { Chain } from './store/chain.ts'
import { readIdentity } from './store/identity.ts'
import { restart } from './update/restart.ts'
import { takeRelease, updateCapabilities } from './update/take.ts'
import { provingItself } from './update/trial.ts'

/** An apply by itself, for tests that kill it at every step. */
export { type Activated, type Apply, createApply } from './apply/apply.ts'
export type { ApplyParts, Delta } from './apply/parts.port.ts'
export type { Gateway, Installation, Staged, TrialTree, Tried } from './installation.port.ts'

export interface AgentOptions {
  /** The agent's own directory: its identity, its journal, what it remembers. */
  readonly stateDir: string
  /** The home of the account that runs OpenClaw. */
  readonly home: string
  readonly openclawBin?: string
  /** The one file that it is, for one that may stay where it came over ssh. */
  readonly program?: string
  /** Behind a forced command of sshd, which says where OpenClaw is: whoever calls does not. */
  readonly isForced?: boolean
  readonly log: Log
}

export interface Status {
  readonly enrolled: boolean
  readonly running: boolean
  readonly node: string
  readonly hub: readonly string[]
  readonly fingerprints: Fingerprints | null
  readonly vaultRecord: number
  /** Number and id of this node's newest snapshot. */
  readonly head: { readonly seq: number; readonly snapshot: string } | null
  readonly openclaw: { readonly version: string; readonly state: string }
  readonly version: string
}

export interface Agent {
  /** @throws OcmError see joinHub */
  join(text: string): ReturnType<typeof joinHub>
  /**
   * Connects and stays connected until it is stopped.
   * @throws OcmError 'not-enrolled', 'agent-running', 'openclaw-missing'
   */
  run(): Promise<{ stop(): Promise<void> }>
  /**
   * One session over two pipes; answers when it is over.
   * @throws OcmError why it could not begin
   */
  attend(piped: Piped): Promise<void>
  status(): Promise<Status>
}

const p = nodePrimitives
const now = () => Date.now()
const clock = {
  now: () => performance.now(),
  setTimeout: (call: () => void, ms: number) => setTimeout(call, ms),
  clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
}

export function createAgent(options: AgentOptions): Agent {
  const { stateDir, log } = options
  const fault = (error: unknown) => log.error({ err: error }, 'fault')
  const installationOf = ({ openclawHome, openclawBin }: Partial<StdioPreface> = {}) => {
    const bin = openclawBin ?? options.openclawBin
    return createInstallation({
      home: openclawHome ?? options.home,
      agentStateDir: stateDir,
      agentVersion: VERSION,
      now,
      fault,
      ...(bin === undefined ? {} : { openclawBin: bin }),
    })
  }
  return {
    ...agentOf(installationOf(), stateDir, log),
    attend: (piped) =>
      attend(piped, clock, (preface) => {
        const said: Partial<StdioPreface> = options.isForced === true ? {} : preface
        return {
          p,
          stateDir,
          installation: installationOf(said),
          home: said.openclawHome ?? options.home,
          openclawBin: said.openclawBin ?? options.openclawBin,
          account: homedir(),
          program: options.program ?? '',
          log,
          fault,
          now,
        }
      }),
  }
}

function agentOf(
  installation: Installation,
  stateDir: string,
  log = createLog('warn'),
): Omit<Agent, 'attend'> {
  const fault = (error: unknown) => log.error({ err: error }, 'fault')
  return {
    join: (text) => joinHub({ p, clock, stateDir, installation, fault }, text),
    run: () => run({ p, stateDir, installation, log, fault, now }),
    status: () => status(stateDir, installation),
  }
}

/** @returns the exit status of a process that does one errand of `ocm`. */
export const errand = (input: Readable, output: Writable): Promise<number> =>
  serveErrand({ p, rewrite: rewriteStaged, guest: agentOf }, input, output)

async function run(parts: ServingParts) {
  if (!(await readEnrolment(parts.stateDir))) throw new OcmError('not-enrolled')
  const unmark = await markRunning(parts.stateDir)
  const { node, urls, certificate, link, isPressing, inTurn } = await serve(parts)
  const { log, fault, stateDir } = parts
  const stop = async () => {
    await disconnect()
    await unmark()
  }
  // What is at work ends first: a job may have begun meanwhile.
  const proving = provingItself(() => inTurn(stop))
  const becomeAnother = () =>
    inTurn(async () => {
      await stop()
      restart()
    }).catch(fault)
  const disconnect = connect({
    p,
    clock,
    fault,
    random: Math.random,
    urls,
    ...(certificate && { certificate }),
    ...link,
    hello: async () => ({
      ...(await link.hello()),
      capabilities: await updateCapabilities(stateDir, fault),
    }),
    onSession: (session) => {
      link.onSession(session)
      session.handle('update', async ({ release }) => {
        await inTurn(() => takeRelease(p, stateDir, session, fromBase64url(release)))
        // The answer first.
        setImmediate(becomeAnother)
        return {}
      })
      proving(session)
    },
    isPressing,
    onDown: (why, retryMs) => log.warn({ code: why.code, retryMs }, why.message),
  })
  log.info({ node, version: VERSION }, 'running')
  return { stop }
}

async function status(stateDir: string, installation: Installation): Promise<Status> {
  const known = await readEnrolment(stateDir)
  const identity = await readIdentity(p, stateDir)
  const layout = await installation.layout()
  const chain = known && (await Chain.open(join(stateDir, 'capture'), known.node))
  return {
    enrolled: known !== undefined,
    running: (await runningAgent(stateDir)) !== undefined,
    node: known?.node ?? '',
    hub: known?.urls ?? [],
    fingerprints: known && identity ? fingerprintsOf(p, identity.key.public, known) : null,
    vaultRecord: known?.serial ?? 0,
    head: chain?.newest ? { seq: chain.newest.seq, snapshot: chain.newest.snapshot } : null,
    openclaw: { version: layout.versions.openclaw, state: layout.roots['state'] ?? '' },
    version: VERSION,
  }
}
