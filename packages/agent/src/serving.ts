/** An enrolled agent over whatever session there is: everything a link needs of it, and everything it does for a hub. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  type AgentLinkOptions,
  type AgentSession,
  type Hello,
  LINK_VERSION,
  OcmError,
  type Primitives,
  VERSION,
  type VaultRecord,
  type Welcome,
  fromBase64url,
} from '@ocm/protocol'
import { answerRequests } from './answers.ts'
import { createApply } from './apply/apply.ts'
import { takenOver } from './apply/continues.ts'
import { exists } from './apply/disk.ts'
import { epochSeen } from './apply/fence-epoch.ts'
import { tombstoneOf } from './apply/tombstone.port.ts'
import { capture, captureDelta } from './capture/capture.ts'
import type { CaptureParts } from './capture/parts.ts'
import { Enrolment } from './enrolment.ts'
import { HubLine } from './hub-line.ts'
import type { Installation } from './installation.port.ts'
import type { Log } from './log.ts'
import { keepFleetKey, readFleetKey } from './store/fleet-key.ts'
import { readIdentity } from './store/identity.ts'
import { turns } from './turns.ts'

export interface ServingParts {
  readonly p: Primitives
  readonly stateDir: string
  readonly installation: Installation
  readonly log: Log
  readonly fault: (error: unknown) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** What an end of a link is made of, but for what carries it. */
export interface LinkParts extends Pick<AgentLinkOptions, 'identity' | 'pinnedHub' | 'onWelcome'> {
  readonly minVersion: () => number
  readonly hello: () => Promise<Hello>
  readonly onSession: (session: AgentSession) => void
}

export type Serving = Awaited<ReturnType<typeof serve>>

/**
 * Takes up what a crash has cut off, and is ready for a session then.
 * @throws OcmError 'not-enrolled', 'keys-exposed'
 */
export async function serve({ p, stateDir, installation, log, fault, now }: ServingParts) {
  const enrolment = await Enrolment.open(stateDir)
  const identity = await readIdentity(p, stateDir)
  if (!identity) throw new OcmError('not-enrolled')
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
    now,
    hub: line.forCapture(job),
    ...(fleet === undefined ? {} : { fleet }),
    fenceEpoch: await epochSeen(stateDir),
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
    now,
  })
  await apply.recover()

  const inTurn = turns()
  /** Counted until it has ended, so that a process which is to end knows what it would cut off. */
  const changes = new Set<Promise<unknown>>()
  const change = <T>(work: () => Promise<T>): Promise<T> => {
    const done = inTurn(work)
    changes.add(done)
    const forget = () => void changes.delete(done)
    done.then(forget, forget)
    return done
  }

  const link: LinkParts = {
    identity: identity.key,
    pinnedHub: enrolment.known.hub,
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
        change,
        capture: async (job, trigger, bytes) => {
          const newest = await acceptRecord(bytes)
          const { roots } = await installation.layout()
          if (await exists(tombstoneOf(roots['state'] as string))) {
            throw new OcmError('source-fenced')
          }
          await apply.checkAtRest()
          return capture(await captureParts(job, newest), { job, trigger })
        },
      })
      line.attach(session).catch(fault)
    },
  }

  return {
    node,
    urls: enrolment.known.urls,
    certificate: enrolment.known.certificate,
    link,
    /** Where the hub is reached from now on; answers when it is on disk. */
    rehome: (urls: readonly string[]) => enrolment.rehome(urls),
    isPressing: apply.isPressing,
    checkAtRest: apply.checkAtRest,
    leave: apply.leave,
    /** Answers when nothing is being changed any more. */
    async unchanging(): Promise<void> {
      while (changes.size > 0) await Promise.allSettled(changes)
      await apply.tidied()
    },
    /** Answers when what was at work has noticed that the link is gone. */
    atRest: () => inTurn(async () => {}),
    inTurn,
  }
}

/** New at each start: tells a half-open predecessor of this process from another machine with its identity. */
const bootId = randomBytes(16).toString('hex')
