/**
 * An agent for the length of one ssh session: it speaks over standard input and output, and ends with its input. What it
 * was changing at that moment goes to its end first; a journal tells the next one about everything else.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import {
  type Clock,
  MARKER,
  OcmError,
  RecordReader,
  type StdioPreface,
  readPreface,
  toWireError,
} from '@ocm/protocol'
import { readEnrolment } from './enrolment.ts'
import { type Guest, type GuestParts, createGuest } from './guest.ts'
import { prepareJoin } from './join.ts'
import { speakOverStdio } from './link/stdio.ts'
import { markRunning } from './running.ts'
import { type LinkParts, type Serving, type ServingParts, serve } from './serving.ts'

/** Until the one before, whose connection was cut, has put away what it was doing. */
const PREDECESSOR_MS = 10_000
const LOOK_MS = 200
/** For what needs the hub to notice that it is gone. */
const NOTICE_MS = 3_000

export interface AttendingParts extends ServingParts, GuestParts {}

export interface Piped {
  readonly input: Readable
  readonly output: Writable
  /** 32 hexadecimal digits, given by whoever calls: tells our first lines from what a login prints. */
  readonly nonce: string
}

/**
 * Answers when the session is over and nothing is being changed any more.
 * @param partsFor what the preface says of OpenClaw makes them.
 * @throws OcmError why it could not begin, after the caller was told
 */
export async function attend(
  { input, output, nonce }: Piped,
  clock: Clock,
  partsFor: (preface: StdioPreface) => AttendingParts,
): Promise<void> {
  const say = (words: string) => output.write(`\n${MARKER} ${nonce} ${words}\n`)
  let unmark: (() => Promise<void>) | undefined
  let served: Serving | undefined
  let guest: Guest | undefined
  try {
    say('preface')
    const preface = await firstRecord(input)
    const parts = partsFor(readPreface(preface))
    unmark = await markWhenFree(parts.stateDir)
    const staying = createGuest(parts, {
      rehome: async (urls) => served?.rehome(urls),
      checkAtRest: async () => served?.checkAtRest(),
      leave: async () => (await served?.leave()) ?? { kept: 0 },
    })
    guest = staying
    const isEnrolled = (await readEnrolment(parts.stateDir)) !== undefined
    const link = isEnrolled
      ? (served = await serve(parts)).link
      : await joining(parts, readPreface(preface).join, (now) => (served = now))
    say('ready')
    const session = await speakOverStdio(parts.p, {
      ...link,
      onSession: (opened) => {
        link.onSession(opened)
        staying.attach(opened)
      },
      hello: await link.hello(),
      minVersion: link.minVersion(),
      input,
      output,
      clock,
      fault: parts.fault,
    })
    const why = await session.closed
    parts.log.info({ code: why.code }, 'the session is over')
    await Promise.race([served?.atRest(), sleep(NOTICE_MS)])
    await served?.unchanging()
  } catch (error) {
    say(`failed ${toWireError(error).code}`)
    throw error
  } finally {
    if (guest?.isForgotten === true) await guest.sweep()
    else await unmark?.()
  }
}

/** Joins over this session, which then goes on as that of an enrolled agent. */
async function joining(
  parts: ServingParts,
  text: string | undefined,
  begun: (served: Serving) => void,
): Promise<LinkParts> {
  if (text === undefined) throw new OcmError('not-enrolled')
  const { link } = await prepareJoin(parts, text)
  let onSession: LinkParts['onSession'] | undefined
  return {
    ...link,
    onWelcome: async (welcome) => {
      await link.onWelcome(welcome)
      const served = await serve(parts)
      // The same words as at any other welcome: the record is accepted and the number kept.
      await served.link.onWelcome(welcome)
      begun(served)
      onSession = served.link.onSession
    },
    onSession: (session) => onSession?.(session),
  }
}

async function markWhenFree(stateDir: string): Promise<() => Promise<void>> {
  const until = performance.now() + PREDECESSOR_MS
  for (;;) {
    try {
      return await markRunning(stateDir)
    } catch (error) {
      const isTaken = error instanceof OcmError && error.code === 'agent-running'
      if (!isTaken || performance.now() > until) throw error
      await sleep(LOOK_MS)
    }
  }
}

/** The hub says nothing more before our first message, so nothing may follow. */
function firstRecord(input: Readable): Promise<Uint8Array> {
  const reader = new RecordReader()
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      input.off('data', take)
      input.off('close', gone)
      input.off('error', gone)
      input.pause()
      settle()
    }
    const take = (bytes: Buffer) => {
      try {
        const [record, ...more] = reader.push(bytes)
        if (more.length > 0) throw new OcmError('malformed', { what: 'preface' })
        if (record) end(() => resolve(record))
      } catch (error) {
        end(() => reject(error))
      }
    }
    const gone = (cause?: unknown) =>
      end(() => reject(new OcmError('link-lost', {}, { cause: cause ?? 'input ended' })))
    input.on('data', take)
    input.on('close', gone)
    input.on('error', gone)
  })
}
