/** Dials the hub, and keeps dialling: one session after another until it is stopped. */
import type { createConnection } from 'node:net'
import {
  type AgentSession,
  type Clock,
  type Hello,
  type KeyPair,
  MAX_RECORD,
  OcmError,
  type Primitives,
  type Welcome,
  agentLink,
  overWebSocket,
} from '@ocm/protocol'
import { WebSocket } from 'ws'
import { STEADY_MS, delayAfter } from './delay.ts'
import { pinned } from './pinned.ts'

const DIAL_MS = 10_000

export interface DialOptions {
  readonly p: Primitives
  readonly clock: Clock
  /** ws:// or wss://, with or without path; the link is at /link beneath it. http:// and https:// mean the same. */
  readonly urls: readonly string[]
  /** Ed25519. */
  readonly identity: KeyPair
  readonly pinnedHub: Uint8Array
  /** SHA-256 of the only certificate to be taken over TLS; without it, what an authority vouches for. */
  readonly certificate?: Uint8Array
  /** Asked anew for each handshake: the highest version spoken so far, and what to say. */
  readonly minVersion: () => number
  readonly hello: () => Promise<Hello>
  /** Puts the sequence on disk. The hub is answered only when it is fulfilled. */
  readonly onWelcome: (welcome: Welcome) => Promise<void>
  /** Attaches the handlers, at once. */
  readonly onSession: (session: AgentSession, welcome: Welcome) => void
  /** Told of what nobody else is told. */
  readonly fault: (error: unknown) => void
}

export interface ConnectOptions extends DialOptions {
  /** At least 0, below 1. */
  readonly random: () => number
  /** Whether this node has something in hand that others wait for: then it is soon back. Asked after each end. */
  readonly isPressing: () => Promise<boolean>
  /** A session ended, or none came about; the next try is in `retryMs`. */
  readonly onDown: (why: OcmError, retryMs: number) => void
}

/**
 * One try at each address in turn.
 * @throws OcmError 'hub-unreachable', what the handshake threw, or the signal's reason
 */
export async function dial(options: DialOptions, signal?: AbortSignal): Promise<AgentSession> {
  let failure: unknown = new OcmError('hub-unreachable')
  for (const url of options.urls) {
    signal?.throwIfAborted()
    try {
      return await dialOne(url, options, signal)
    } catch (error) {
      // What a hub said weighs more than that the next address does not answer.
      if (!isUnreachable(error) || isUnreachable(failure)) failure = error
    }
  }
  signal?.throwIfAborted()
  throw failure
}

/** @returns stops it: tells the hub nothing but that the link is gone, and is fulfilled when it is. */
export function connect(options: ConnectOptions): () => Promise<void> {
  const { clock, random, onDown } = options
  const stopping = new AbortController()
  const { signal } = stopping

  const keepDialling = async () => {
    for (let failures = 0; !signal.aborted; failures++) {
      const begun = clock.now()
      const why = await sessionEnd(options, signal)
      if (signal.aborted) return
      if (clock.now() - begun >= STEADY_MS) failures = 0
      const retryMs = delayAfter(why, failures, random(), await hasHaste(options))
      onDown(why, retryMs)
      await pause(clock, retryMs, signal)
    }
  }
  const stopped = keepDialling()
  return () => {
    stopping.abort()
    return stopped
  }
}

/** Not to know it must not keep this node from coming back at all. */
const hasHaste = ({ isPressing, fault }: ConnectOptions): Promise<boolean> =>
  isPressing().catch((error: unknown) => {
    fault(error)
    return false
  })

/** @returns why there is no session any more, or never was. */
async function sessionEnd(options: DialOptions, signal: AbortSignal): Promise<OcmError> {
  let session: AgentSession
  try {
    session = await dial(options, signal)
  } catch (error) {
    if (error instanceof OcmError) return error
    if (!signal.aborted) options.fault(error)
    return new OcmError('internal', {}, { cause: error })
  }
  const end = () => session.close('link-lost')
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const why = await session.closed
  signal.removeEventListener('abort', end)
  return why
}

async function dialOne(
  url: string,
  options: DialOptions,
  signal: AbortSignal | undefined,
): Promise<AgentSession> {
  const hello = await options.hello()
  const address = linkUrl(url)
  const { certificate } = options
  const isPinned = certificate !== undefined && address.protocol === 'wss:'
  const socket = new WebSocket(address, {
    ...(isPinned
      ? { createConnection: pinned(certificate) as unknown as typeof createConnection }
      : {}),
    perMessageDeflate: false,
    followRedirects: false,
    handshakeTimeout: DIAL_MS,
    maxPayload: MAX_RECORD,
    // All zero, so that nothing is masked. Masks keep a page from choosing what a proxy sees; our records are sealed,
    // nobody chooses their bytes, and masking costs as much as sealing.
    generateMask: () => {},
  })
  const abort = () => socket.terminate()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await opened(socket)
    const { session } = overWebSocket(socket, (carrier) =>
      agentLink(options.p, {
        ...options,
        carrier,
        hello,
        minVersion: options.minVersion(),
        kind: 'websocket',
      }),
    )
    return await session
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** The hub says nothing before our first message, so listeners attached after this miss nothing. */
const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.on('error', (cause) =>
      reject(cause instanceof OcmError ? cause : new OcmError('hub-unreachable', {}, { cause })),
    )
  })

/** @throws OcmError 'malformed' */
function linkUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || !/^(?:ws|http)s?:$/.test(url.protocol)) {
    throw new OcmError('malformed', { what: 'address of the hub' })
  }
  url.protocol = url.protocol.replace('http', 'ws')
  url.pathname = `${url.pathname.replace(/\/$/, '')}/link`
  url.hash = ''
  return url
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof OcmError && error.code === 'hub-unreachable'

const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = clock.setTimeout(over, ms)
    signal.addEventListener('abort', over, { once: true })
    function over() {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', over)
      resolve()
    }
  })
