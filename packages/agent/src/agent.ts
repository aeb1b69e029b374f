/** Puts an agent together: what it is made of, and how long it lives. The only file that knows everything. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import {
  LINK_VERSION,
  OcmError,
  VERSION,
  type VaultRecord,
  type Welcome,
  fromBase64url,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { answerRequests } from './answers.ts'
import { createApply } from './apply/apply.ts'
import { takenOver } from './apply/continues.ts'
import { capture, captureDelta } from './capture/capture.ts'
import type { CaptureParts } from './capture/parts.ts'
import { Enrolment, readEnrolment } from './enrolment.ts'
import { serveErrand } from './errands/serve.ts'
import { HubLine } from './hub-line.ts'
import type { Installation } from './installation.port.ts'
import { type Fingerprints, fingerprintsOf, joinHub } from './join.ts'
import { connect } from './link/websocket.ts'
import { type Log, createLog } from './log.ts'
import { createInstallation } from './openclaw/installation.ts'
import { rewriteStaged } from './openclaw/rewriting.ts'
import { markRunning, runningAgent } from './running.ts'
import { Chain } from './store/chain.ts'
import { keepFleetKey, readFleetKey } from './store/fleet-key.ts'
import { readIdentity } from './store/identity.ts'
import { turns } from './turns.ts'

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
  status(): Promise<Status>
}

const p = nodePrimitives
const clock = {
  now: () => performance.now(),
  setTimeout: (call: () => void, ms: number) => setTimeout(call, ms),
  clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
}

export function createAgent({ stateDir, home, openclawBin, log }: AgentOptions): Agent {
  const installation = createInstallation({
    home,
    agentStateDir: stateDir,
    agentVersion: VERSION,
    now: () => Date.now(),
    ...(openclawBin === undefined ? {} : { openclawBin }),
  })
  return agentOf(installation, stateDir, log)
}

function agentOf(installation: Installation, stateDir: string, log = createLog('warn')): Agent {
  const fault = (error: unknown) => log.error({ err: error }, 'fault')
  return {
    join: (text) => joinHub({ p, clock, stateDir, installation, fault }, text),
    run: () => run({ stateDir, installation, log, fault }),
    status: () => status(stateDir, installation),
  }
}

/** @returns the exit status of a process that does one errand of `ocm`. */
export const errand = (input: Readable, output: Writable): Promise<number> =>
  serveErrand({ p, rewrite: rewriteStaged, guest: agentOf }, input, output)

interface RunParts {
  readonly stateDir: string
  readonly installation: Installation
  readonly log: Log
  readonly fault: (error: unknown) => void
}

async function run({ stateDir, installation, log, fault }: RunParts) {
  const enrolment = await Enrolment.open(stateDir)
  const identity = await readIdentity(p, stateDir)
  if (!identity) throw new OcmError('not-enrolled')
  const unmark = await markRunning(stateDir)
  const { node } = enrolment.known

  let record: VaultRecord | undefined
  const acceptRecord = async (bytes: Uint8Array): Promise<VaultRecord> => {
    record = await enrolment.acceptRecord(p, bytes)
    return record
  }
  const line = new HubLine(p, () => record?.sealing)

  let fleet = await readFleetKey(stateDir)
  const captureParts = async (job: string, newest: VaultRecord): Promise<CaptureParts> => ({
    p,
    installation,
    stateDir: join(stateDir, 'capture'),
    node,
    identity,
    record: newest,
    agentVersion: VERSION,
    now: () => Date.now(),
    hub: line.forCapture(job),
    ...(fleet === undefined ? {} : { fleet }),
    continues: (await takenOver(stateDir)) ?? undefined,
  })
  const apply = createApply({
    p,
    installation,
    stateDir,
    identity: { id: node, key: identity.key },
    vault: { root: () => enrolment.known.root, acceptRecord },
    hub: line,
    captureDelta: async (job, base) => {
      if (!record) throw new OcmError('vault-record-stale')
      return captureDelta(await captureParts(job, record), { job, base })
    },
    keepFleetKey: async (key) => {
      await keepFleetKey(stateDir, key)
      fleet = key
    },
    now: () => Date.now(),
  })
  await apply.recover()

  const inTurn = turns()
  const disconnect = connect({
    p,
    clock,
    fault,
    random: Math.random,
    urls: enrolment.known.urls,
    identity: identity.key,
    pinnedHub: enrolment.known.hub,
    ...(enrolment.known.certificate && { certificate: enrolment.known.certificate }),
    minVersion: () => enrolment.known.version,
    hello: async () => ({
      ...LINK_VERSION,
      capabilities: [],
      agentVersion: VERSION,
      boot: bootId,
      seq: enrolment.known.seq,
      enrol: null,
    }),
    onWelcome: async (welcome: Welcome) => {
      await acceptRecord(fromBase64url(welcome.record))
      await enrolment.welcomed(welcome.seq, welcome.version)
    },
    onSession: (session) => {
      log.info('connected')
      answerRequests(session, {
        apply,
        inTurn,
        capture: async (job, trigger, bytes) => {
          const newest = await acceptRecord(bytes)
          const { fenced } = await installation.facts({ ports: [] })
          if (fenced) throw new OcmError('source-fenced')
          await apply.checkAtRest()
          return capture(await captureParts(job, newest), { job, trigger })
        },
      })
      line.attach(session).catch(fault)
    },
    onDown: (why, retryMs) => log.warn({ code: why.code, retryMs }, why.message),
  })
  log.info({ node, version: VERSION }, 'running')
  return {
    stop: async () => {
      await disconnect()
      await unmark()
    },
  }
}

/** New at each start: tells a half-open predecessor of this process from another machine with its identity. */
const bootId = randomBytes(16).toString('hex')

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
