/** Live events of the hub over a socket that is opened again when it is lost. */
import { LiveEvent, OcmError, check } from '@ocm/protocol'

/** The part of a WebSocket that is needed: the browser's own and the one of `ws` both have it. */
export interface Socket {
  addEventListener(kind: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(kind: 'open' | 'close' | 'error', listener: () => void): void
  close(): void
}

export interface LiveOptions {
  readonly open: (url: string) => Socket
  readonly url: string
  /** Called on every connection, the first too: what was missed in between has to be fetched. */
  readonly onConnect: () => void
  readonly onEvent: (event: LiveEvent) => void
  readonly onLost: () => void
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000

/** @returns what ends it. */
export function listen(options: LiveOptions): () => void {
  let socket: Socket | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let wait = FIRST_WAIT_MS
  let ended = false

  const dial = () => {
    const current = options.open(options.url)
    socket = current
    current.addEventListener('open', () => {
      wait = FIRST_WAIT_MS
      options.onConnect()
    })
    current.addEventListener('message', ({ data }) => {
      const event = readEvent(data)
      // Something changed that only a newer client understands: fetching everything is right, if more than is needed.
      if (event === undefined) options.onConnect()
      else options.onEvent(event)
    })
    // An error is always followed by a close, which is where it is dealt with.
    current.addEventListener('error', () => undefined)
    current.addEventListener('close', () => {
      if (ended) return
      options.onLost()
      timer = setTimeout(dial, wait)
      wait = Math.min(wait * 2, LONGEST_WAIT_MS)
    })
  }

  dial()
  return () => {
    ended = true
    clearTimeout(timer)
    socket?.close()
  }
}

function readEvent(data: unknown): LiveEvent | undefined {
  try {
    return check(LiveEvent, JSON.parse(String(data)), 'live event')
  } catch (error) {
    if (error instanceof OcmError || error instanceof SyntaxError) return undefined
    throw error
  }
}
