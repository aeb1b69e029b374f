/** Looks at all of one pack: the footer, every segment, and what of it a content needs. Synchronous, for a thread. */
import {
  OcmError,
  type PackAtHand,
  type Primitives,
  databaseExtentBytes,
  equal,
  free,
  openPackAtHand,
} from '@ocm/protocol'
import {
  HASH_BYTES,
  type PackTask,
  type PackUses,
  type PackVerdict,
  PART,
  PIECES,
  type Portion,
  ROW,
  WHOLE,
} from './task.ts'

/** Plaintext that is at hand: neighbours in a pack share segments. */
const KEPT_SEGMENTS = 6
/** Bytes of parts are handed over when there are so many. */
const PORTION_BYTES = 1024 * 1024

/**
 * @param stored all of the pack, as the hub gave it
 * @param hand takes what only the whole of a content can be judged by; in no order between contents.
 */
export function checkPack(
  p: Primitives,
  task: PackTask,
  stored: Uint8Array,
  hand: (portion: Portion) => void,
): PackVerdict {
  const { pack, uses } = task
  const opened = open(p, task, stored)
  if (opened === undefined) return nothingOf(task, 'damaged')
  const segments = new Segments(opened)
  const broken: number[] = []
  const different: number[] = []
  for (const [i, content] of uses.contents.entries()) {
    const verdict = checkContent(p, segments, uses, i, hand)
    if (verdict === 'broken') broken.push(content)
    if (verdict === 'different') different.push(content)
  }
  segments.rest()
  return {
    pack,
    segments: opened.segments.length,
    plainBytes: opened.segments.reduce((sum, bytes) => sum + bytes, 0),
    unreadable: false,
    damaged: segments.damaged,
    broken,
    different,
  }
}

/** Of a pack that is not there, or of which nothing can be opened: whatever needs it is broken. */
export const nothingOf = (
  { pack, uses }: PackTask,
  unreadable: 'damaged' | 'missing',
): PackVerdict => ({
  pack,
  segments: 0,
  plainBytes: 0,
  unreadable,
  damaged: [],
  broken: [...uses.contents],
  different: [],
})

/** Undefined when the pack is not the one that the node wrote. */
function open(p: Primitives, task: PackTask, stored: Uint8Array): PackAtHand | undefined {
  const { pack: id, header } = task
  const source = {
    bytes: stored.length,
    read: (offset: number, length: number) => stored.subarray(offset, offset + length),
  }
  try {
    const opened = openPackAtHand(p, source, task.opener, { id, header })
    return opened.header.class === task.class ? opened : undefined
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}

const isDamage = (error: unknown) => error instanceof OcmError && error.code === 'pack-damaged'

/** Each is opened once, unless contents jump to and fro. */
class Segments {
  readonly damaged: number[] = []
  readonly #pack: PackAtHand
  readonly #seen: Uint8Array
  readonly #kept = new Map<number, Uint8Array>()

  constructor(pack: PackAtHand) {
    this.#pack = pack
    this.#seen = new Uint8Array(pack.segments.length)
  }

  /** Undefined when it is damaged, or there is none of this number. */
  at(number: number): Uint8Array | undefined {
    const kept = this.#kept.get(number)
    if (kept) return kept
    if (number >= this.#seen.length || this.damaged.includes(number)) return undefined
    this.#seen[number] = 1
    try {
      const plain = this.#pack.segment(number)
      this.#kept.set(number, plain)
      const [oldest] = this.#kept
      if (this.#kept.size > KEPT_SEGMENTS && oldest) this.#drop(...oldest)
      return plain
    } catch (error) {
      if (!isDamage(error)) throw error
      this.damaged.push(number)
      return undefined
    }
  }

  /** Looks at those that no content needed. */
  rest(): void {
    for (const [number, seen] of this.#seen.entries()) if (seen === 0) this.at(number)
    for (const kept of this.#kept) this.#drop(...kept)
  }

  /** Nobody keeps parts of it: they are looked at before the next segment is opened. */
  #drop(number: number, plain: Uint8Array): void {
    this.#kept.delete(number)
    free(plain)
  }
}

type Verdict = 'right' | 'broken' | 'different'

function checkContent(
  p: Primitives,
  segments: Segments,
  uses: PackUses,
  i: number,
  hand: (portion: Portion) => void,
): Verdict {
  const content = uses.contents[i] as number
  switch (uses.how[i]) {
    case WHOLE: {
      const hash = hashOfWhole(p, segments, uses, i)
      if (hash === undefined) return 'broken'
      const right = uses.hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
      return equal(hash, right) ? 'right' : 'different'
    }
    case PIECES: {
      const size = uses.pieces[i] as number
      const whole = eachPart(segments, uses, i, (part, at) => {
        const bytes = new Uint8Array(Math.ceil(part.length / size) * HASH_BYTES)
        for (let from = 0, to = 0; from < part.length; from += size, to += HASH_BYTES) {
          bytes.set(p.sha256(part.subarray(from, from + size)), to)
        }
        hand({ content, at: (at / size) * HASH_BYTES, bytes })
      })
      return whole ? 'right' : 'broken'
    }
    case PART: {
      const joining = join(content, hand)
      const whole = eachPart(segments, uses, i, (part, at) => joining.add(part, at))
      joining.end()
      return whole ? 'right' : 'broken'
    }
    default:
      throw new OcmError('internal', { what: 'task' })
  }
}

/** Most contents are one part, and a hash in one call costs a third of one in several. */
function hashOfWhole(
  p: Primitives,
  segments: Segments,
  uses: PackUses,
  i: number,
): Uint8Array | undefined {
  const parts = ((uses.starts[i + 1] as number) - (uses.starts[i] as number)) / ROW
  let only: Uint8Array | undefined
  if (parts === 1) {
    const isThere = eachPart(segments, uses, i, (part) => (only = p.sha256(part)))
    return isThere ? only : undefined
  }
  const hash = p.sha256Parts()
  return eachPart(segments, uses, i, (part) => hash.update(part)) ? hash.digest() : undefined
}

/** @returns false as soon as one is not there. */
function eachPart(
  segments: Segments,
  { starts, rows }: PackUses,
  i: number,
  take: (part: Uint8Array, at: number) => void,
): boolean {
  const end = starts[i + 1] as number
  for (let row = starts[i] as number; row < end; row += ROW) {
    const [number, offset, length, at] = rows.subarray(row, row + ROW) as unknown as [
      number,
      number,
      number,
      number,
    ]
    const plain = segments.at(number)
    if (plain === undefined || offset + length > plain.length) return false
    take(plain.subarray(offset, offset + length), at)
  }
  return true
}

/** Parts that follow one another go together. */
function join(content: number, hand: (portion: Portion) => void) {
  let bytes = new Uint8Array(PORTION_BYTES)
  let used = 0
  let from = 0
  const flush = () => {
    if (used > 0) hand({ content, at: from, bytes: bytes.slice(0, used) })
    used = 0
  }
  return {
    add(part: Uint8Array, at: number) {
      if (at !== from + used || used + part.length > bytes.length) {
        flush()
        from = at
        if (part.length > bytes.length) bytes = new Uint8Array(part.length)
      }
      bytes.set(part, used)
      used += part.length
    },
    end: flush,
  }
}

/** Bytes of the pieces that a database's hash is made of, when every part of it begins and ends with one; else 0. */
export function piecesOf(size: number, parts: readonly { at: number; length: number }[]): number {
  const piece = databaseExtentBytes(size)
  const fits = parts.every(
    ({ at, length }) => at % piece === 0 && (length % piece === 0 || at + length === size),
  )
  return fits ? piece : 0
}
