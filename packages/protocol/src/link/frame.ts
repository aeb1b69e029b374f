/**
 * The bytes inside a record: kind (u8), call (u32, big-endian), payload. What is said in JSON may be longer than a
 * record; its parts follow one another without any other frame of JSON between them.
 */
import { Type } from 'typebox'
import { concat, fromUtf8, utf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { MAX_FRAME } from './transport.ts'

/** JSON: request, answer, refusal, event, fail, bye, welcome. Bytes: data. A u32: credit. The others are empty. */
export const KINDS = {
  request: 1,
  answer: 2,
  refusal: 3,
  event: 4,
  cancel: 5,
  data: 6,
  end: 7,
  fail: 8,
  credit: 9,
  stop: 10,
  heartbeat: 11,
  bye: 12,
  welcome: 13,
  ready: 14,
} as const
export type Kind = keyof typeof KINDS

const IN_PARTS = new Set<Kind>(['request', 'answer', 'refusal', 'event', 'fail', 'bye', 'welcome'])
const EMPTY = new Set<Kind>(['cancel', 'end', 'stop', 'heartbeat', 'ready'])

const KIND_OF = new Map<number, Kind>(
  Object.entries(KINDS).map(([kind, number]) => [number, kind as Kind]),
)

/** Set in the kind of every part of a message but the last. */
const MORE = 0x80
const HEADER = 5
export const MAX_PAYLOAD = MAX_FRAME - HEADER
/** Bytes that stand at a multiple of eight in shared memory are copied out of it seven times as fast as others. */
const WORD = 8
/** Of a body, in one frame: whole words, so that what follows begins with one too. */
export const DATA_PAYLOAD = MAX_PAYLOAD - (MAX_PAYLOAD % WORD)
/** Of a message put together from its parts. */
export const MAX_MESSAGE = 2 ** 20

export interface Frame {
  readonly kind: Kind
  /** The request it belongs to; 0 for what belongs to none. */
  readonly call: number
  readonly more: boolean
  readonly payload: Uint8Array
}

const NOTHING: Uint8Array = new Uint8Array()

export const frame = (kind: Kind, call: number, payload = NOTHING): Uint8Array =>
  encode(KINDS[kind], call, payload)

const data = new Uint8Array(WORD + DATA_PAYLOAD)
/** The payload begins with a word. */
const fromHeader = data.subarray(WORD - HEADER)

/** Good until the next call: it is sealed before that, and a buffer for each would cost more than the sealing. */
export function dataFrame(call: number, payload: Uint8Array): Uint8Array {
  write(fromHeader, KINDS.data, call, payload)
  return fromHeader.subarray(0, HEADER + payload.length)
}

export function creditFrame(call: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(4)
  new DataView(payload.buffer).setUint32(0, bytes)
  return frame('credit', call, payload)
}

/**
 * One frame for each part.
 * @throws OcmError 'wrong-use' when it is longer than MAX_MESSAGE.
 */
export function messageFrames(kind: Kind, call: number, message: unknown): readonly Uint8Array[] {
  const bytes = utf8(JSON.stringify(message))
  if (bytes.length > MAX_MESSAGE) throw new OcmError('wrong-use', { what: 'A message is too long' })
  const frames: Uint8Array[] = []
  let at = 0
  do {
    const part = bytes.subarray(at, at + MAX_PAYLOAD)
    at += part.length
    frames.push(encode(KINDS[kind] | (at < bytes.length ? MORE : 0), call, part))
  } while (at < bytes.length)
  return frames
}

/** @throws OcmError 'malformed' */
export function readFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER) throw malformed()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const first = view.getUint8(0)
  const kind = KIND_OF.get(first & ~MORE)
  const more = (first & MORE) !== 0
  const payload = bytes.subarray(HEADER)
  if (!kind || (more && !IN_PARTS.has(kind)) || (payload.length > 0 && EMPTY.has(kind))) {
    throw malformed()
  }
  return { kind, call: view.getUint32(1), more, payload }
}

/** @throws OcmError 'malformed' */
export function readCredit({ payload }: Frame): number {
  if (payload.length !== 4) throw malformed()
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0)
}

/** A WireError as it arrives: payload of refusal, fail and bye. */
export const ErrorMessage = Type.Object({
  code: Type.String({ maxLength: 64 }),
  facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
})

/** Puts messages together. One at a time, so that what it holds is bounded. */
export class Assembler {
  #parts: Uint8Array[] = []
  #bytes = 0
  #of: Frame | null = null

  /**
   * @returns the message once its last part is there.
   * @throws OcmError 'malformed'
   */
  add(part: Frame): { readonly value: unknown } | null {
    if (this.#of && (part.kind !== this.#of.kind || part.call !== this.#of.call)) throw malformed()
    if (part.more && part.payload.length === 0) throw malformed()
    this.#parts.push(part.payload)
    this.#bytes += part.payload.length
    if (this.#bytes > MAX_MESSAGE) throw malformed()
    this.#of = part
    if (part.more) return null
    const whole = concat(...this.#parts)
    this.#parts = []
    this.#bytes = 0
    this.#of = null
    return { value: parse(whole) }
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes)) as unknown
  } catch (cause) {
    throw malformed(cause)
  }
}

function encode(first: number, call: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length)
  write(bytes, first, call, payload)
  return bytes
}

function write(into: Uint8Array, first: number, call: number, payload: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset)
  view.setUint8(0, first)
  view.setUint32(1, call)
  into.set(payload, HEADER)
}

const malformed = (cause?: unknown) => new OcmError('malformed', { what: 'frame' }, { cause })
