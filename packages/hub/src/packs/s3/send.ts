/** One signed request over HTTP and its answer. Nothing here tries again. */
import { createHash } from 'node:crypto'
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { AwsV4Signer } from 'aws4fetch'
import { Refusal, Unanswered } from './failure.ts'
import type { BucketKeys, BucketPlace } from './place.ts'
import { textOf } from './xml.ts'

/** What is sent. The server checks both sums, so that nothing else is ever stored under the name. */
export interface Sent {
  readonly bytes: number
  /** In hexadecimal digits. */
  readonly sha256: string
  /** In base64. */
  readonly md5: string
  /** From its beginning, as often as it is asked for. */
  readonly pieces: () => AsyncIterable<Uint8Array>
}

export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Of an object, with its prefix; without one the bucket is asked. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Sent
}

export interface Said {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage
}

export interface Sender {
  /** @param silentMs nothing has come or gone for so long @throws Unanswered */
  send(ask: Ask, silentMs: number): Promise<Said>
  close(): void
}

const NOTHING = createHash('sha256').update('').digest('hex')
/** From here on the server is asked whether it wants it at all. */
const LARGE = 64 * 1024
/** A server that does not know the question says nothing. */
const ASKED_FOR_MS = 1000
/** Open while nobody uses them. */
const KEPT_CONNECTIONS = 64

export function createSender(place: BucketPlace, keys: BucketKeys): Sender {
  const isTls = place.endpoint.startsWith('https:')
  // As many as are asked for: one that a slow reader holds must not keep others from asking.
  const wish = { keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS, scheduling: 'lifo' } as const
  const agent = isTls ? new HttpsAgent(wish) : new HttpAgent(wish)
  /** Of the keys that are derived for a day. */
  const cache = new Map<string, ArrayBuffer>()

  async function signed({ method, key = '', query = {}, headers, body }: Ask) {
    const url = new URL(`${place.endpoint}/${place.bucket}${key === '' ? '' : `/${key}`}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: {
        ...headers,
        'x-amz-content-sha256': body?.sha256 ?? NOTHING,
        ...(body && { 'content-md5': body.md5 }),
      },
      accessKeyId: keys.id,
      secretAccessKey: keys.secret,
      ...(keys.token !== undefined && { sessionToken: keys.token }),
      service: 's3',
      region: place.region,
      cache,
    })
    if (cache.size > 2) cache.clear()
    const made = await signer.sign()
    return { url: made.url, headers: Object.fromEntries(made.headers) }
  }

  return {
    async send(ask, silentMs) {
      const { url, headers } = await signed(ask)
      const { method, body } = ask
      const isLarge = body !== undefined && body.bytes >= LARGE
      const asked: ClientRequest = (isTls ? httpsRequest : httpRequest)(url, {
        method,
        agent,
        headers: {
          ...headers,
          ...(body && { 'content-length': body.bytes }),
          ...(isLarge && { expect: '100-continue' }),
        },
      })
      const watch = watchdog(silentMs, (error) => asked.destroy(error))
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        asked.once('response', resolve)
        asked.once('error', reject)
        asked.once('close', () => reject(new Unanswered("the bucket's server hung up")))
      })
      try {
        if (body) {
          const sending = sendBody(asked, body, isLarge, watch.alive)
          await Promise.race([answered, sending])
          // After an answer nobody waits for the rest to be sent.
          sending.catch(() => undefined)
        } else asked.end()
        const said = await answered
        // It was not wanted: the connection is good for nothing else.
        if (!asked.writableEnded) said.once('close', () => asked.destroy())
        return { status: said.statusCode ?? 0, headers: said.headers, body: said }
      } catch (error) {
        asked.destroy()
        // Whoever raced it has been told.
        answered.catch(() => undefined)
        throw error
      } finally {
        watch.done()
      }
    },
    close: () => agent.destroy(),
  }
}

/** Answered when all of it was taken; an answer that comes before ends it. */
async function sendBody(
  asked: ClientRequest,
  body: Sent,
  isLarge: boolean,
  alive: () => void,
): Promise<void> {
  let isAnswered = false
  asked.once('response', () => {
    isAnswered = true
  })
  if (isLarge) {
    asked.flushHeaders()
    await wanted(asked)
  }
  for await (const piece of body.pieces()) {
    if (asked.destroyed || isAnswered) return
    if (!asked.write(piece)) await drained(asked)
    alive()
  }
  asked.end()
}

const wanted = (asked: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ASKED_FOR_MS)
    const go = () => {
      clearTimeout(timer)
      resolve()
    }
    asked.once('continue', go).once('response', go).once('close', go)
  })

const drained = (asked: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const go = () => {
      asked.off('drain', go).off('close', go)
      resolve()
    }
    asked.on('drain', go).on('close', go)
  })

function watchdog(silentMs: number, bark: (error: Error) => void) {
  const silent = () =>
    bark(new Unanswered(`the bucket's server has been silent for ${Math.ceil(silentMs / 1000)} s`))
  const timer = setTimeout(silent, silentMs)
  return { alive: () => void timer.refresh(), done: () => clearTimeout(timer) }
}

/** The body of an answer. While nobody asks for the next piece, it may be silent for as long as it likes. */
export async function* piecesOf({ body }: Said, silentMs: number): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const watch = watchdog(silentMs, (error) => body.destroy(error))
      const next = await pieces.next().finally(watch.done)
      if (next.done === true) return
      yield next.value as Uint8Array
    }
  } finally {
    body.destroy()
  }
}

/** Bytes of a listing or an error; no honest answer is longer. */
const TEXT_BYTES = 8 * 1024 * 1024

export async function textOfAnswer(said: Said, silentMs: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of piecesOf(said, silentMs)) {
    bytes += piece.length
    if (bytes > TEXT_BYTES) throw new Refusal(said.status, 'an answer without end')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** What an answer that was not hoped for says. */
export async function refusalOf(said: Said, silentMs: number): Promise<Refusal> {
  return new Refusal(said.status, codeIn(await textOfAnswer(said, silentMs)))
}

/** How the server calls what it says no with; empty when it has no name for it. */
export const codeIn = (text: string): string => textOf(text, 'Code') ?? ''
