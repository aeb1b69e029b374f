/**
 * Many bytes over plain HTTP, into the memory they are for: node:http copies each part to memory of its own first, which
 * costs, with what it takes to be rid of that memory again, as much as to open what came. Answers of a plain form only,
 * as the hub gives them: one that something on the way has put differently is not for here.
 */
import { type Socket, connect } from 'node:net'
import type { FetchBytes } from '../api/client.ts'

/** An answer of another form: to be asked for in another way. */
export class NotPlain extends Error {}

/** What an answer's head may take, and what an error may say of itself. */
const HEAD_BYTES = 64 * 1024
const PATIENCE_MS = 180_000

interface Asked {
  readonly into: Uint8Array
  readonly done: PromiseWithResolvers<Awaited<ReturnType<FetchBytes>>>
  head: string
  /** Undefined until the head is there. */
  answer: { readonly status: number; readonly bytes: number; readonly room: Uint8Array } | undefined
  received: number
}

/**
 * Takes one question at a time on a connection that stays open and keeps no process alive that has nothing else to do.
 * @throws NotPlain, and what a socket throws
 */
export function plainFetcher(): FetchBytes {
  const connections = new Map<string, Connection>()
  return async (url, headers, into) => {
    const { origin, host, hostname, port, pathname, search } = new URL(url)
    const place = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80) }
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`)
    if (lines.some((line) => !VISIBLE.test(line))) throw new TypeError('not a header')
    const question = [`GET ${pathname}${search} HTTP/1.1`, ...lines, '', ''].join('\r\n')
    const there = connections.get(origin)
    if (there?.isFree) {
      try {
        return await there.ask(question, into)
      } catch (error) {
        // A server ends a connection that was idle, just when it is wanted again.
        if (there.hasAnswered) throw error
      }
    }
    const fresh = new Connection(place)
    connections.set(origin, fresh)
    return fresh.ask(question, into)
  }
}

const VISIBLE = /^[ -~]*$/

class Connection {
  readonly #socket: Socket
  /** Where the head of an answer is read to, with whatever comes in one go with it. */
  readonly #start = new Uint8Array(HEAD_BYTES)
  #asked: Asked | undefined
  #hasAnswered = false

  constructor(place: { readonly host: string; readonly port: number }) {
    const onread = { buffer: () => this.#room(), callback: this.#take }
    this.#socket = connect({ ...place, onread })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  get isFree(): boolean {
    return this.#asked === undefined && !this.#socket.destroyed && this.#socket.writable
  }

  /** Whether anything came of what was asked last. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  async ask(question: string, into: Uint8Array): Promise<Awaited<ReturnType<FetchBytes>>> {
    const done: Asked['done'] = Promise.withResolvers()
    this.#hasAnswered = false
    this.#asked = { into, done, head: '', answer: undefined, received: 0 }
    const late = setTimeout(() => this.#fail(new Error('no answer')), PATIENCE_MS)
    try {
      this.#socket.ref()
      this.#socket.write(question)
      return await done.promise
    } finally {
      clearTimeout(late)
      this.#socket.unref()
    }
  }

  /** Where what comes next goes. */
  #room(): Uint8Array {
    const { answer, received = 0 } = this.#asked ?? {}
    return answer === undefined ? this.#start : answer.room.subarray(received, answer.bytes)
  }

  readonly #take = (count: number, where: Uint8Array): boolean => {
    const asked = this.#asked
    this.#hasAnswered = true
    if (asked === undefined) this.#fail(new Error('bytes that nobody asked for'))
    else if (asked.answer === undefined) this.#takeHead(asked, where.subarray(0, count))
    else this.#came(asked, count)
    return true
  }

  #takeHead(asked: Asked, bytes: Uint8Array): void {
    const before = asked.head.length
    asked.head += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    const end = asked.head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (asked.head.length > HEAD_BYTES) this.#fail(new NotPlain('a long head'))
      return
    }
    const { status, length } = readHead(asked.head.slice(0, end))
    if (status === undefined || length === undefined) {
      this.#fail(new NotPlain('an answer of another form'))
      return
    }
    const isDone = status === 200 || status === 206
    const room = isDone ? asked.into : new Uint8Array(HEAD_BYTES)
    const rest = bytes.subarray(end + 4 - before)
    if (length > room.length || rest.length > length) {
      this.#fail(new Error('too many bytes'))
      return
    }
    asked.answer = { status, bytes: length, room }
    room.set(rest)
    this.#came(asked, rest.length)
  }

  #came(asked: Asked, count: number): void {
    const { answer } = asked
    asked.received += count
    if (answer === undefined || asked.received < answer.bytes) return
    const { status, bytes, room } = answer
    this.#asked = undefined
    const isDone = room === asked.into
    if (status >= 300 && status < 400) asked.done.reject(new Error('redirected'))
    else {
      const error = isDone ? new Uint8Array(0) : room.subarray(0, bytes)
      asked.done.resolve({ status, received: bytes, error })
    }
  }

  #fail(error: Error): void {
    const asked = this.#asked
    this.#asked = undefined
    this.#socket.destroy()
    asked?.done.reject(error)
  }
}

/** Undefined for what is not there or not plain. */
function readHead(head: string): {
  readonly status: number | undefined
  readonly length: number | undefined
} {
  const [first = '', ...lines] = head.split('\r\n')
  const status = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first)?.[1]
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    fields.set(name.toLowerCase(), value)
  }
  const isOther = fields.has('transfer-encoding') || fields.has('content-encoding')
  const length = fields.get('content-length')
  return {
    status: status === undefined ? undefined : Number(status),
    length:
      length !== undefined && /^\d{1,15}$/.test(length) && !isOther ? Number(length) : undefined,
  }
}
