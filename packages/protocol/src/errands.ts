/**
 * What the `ocm` command has the agent package do in a process of its own on the operator's machine: OpenClaw's names
 * and files are the agent's business, keys and the hub are the operator's. Spoken over stdin and stdout in frames of
 * `u32 length of JSON ‖ u32 length of body ‖ JSON ‖ body`. Keys stand in the first frame, never in arguments or the
 * environment.
 */
import { type Static, Type } from 'typebox'
import { concat, fromUtf8, utf8 } from './bytes.ts'
import { Layout } from './layout.ts'
import { OcmError } from './errors.ts'
import { Hash } from './ids.ts'
import { Section } from './manifest.ts'
import { Bytes, Count, Strict, check } from './shapes.ts'
import { toCbor, fromCbor } from './cbor.ts'

/** The secret half of the vault's sealing key of one epoch. */
const EpochKey = Strict({ epoch: Count, sealing: Bytes(32) })

const Source = Strict({
  /** The header as it was signed, and the key it is to be signed with. */
  header: Bytes(),
  signer: Bytes(32),
  keys: Type.Array(EpochKey, { minItems: 1 }),
  /** A store's directory; null: ranges of packs are asked of whoever started the errand. */
  store: Type.Union([Type.String(), Type.Null()]),
})

/** Write a snapshot's files below an empty directory. */
export const WriteErrand = Strict({
  kind: Type.Literal('write'),
  source: Source,
  to: Type.String(),
  /** The home directory that the tree is to be at home in; null: everything as it was. */
  home: Type.Union([Type.String(), Type.Null()]),
  /** null: all of them. */
  sections: Type.Union([Type.Array(Section), Type.Null()]),
  /** Go on without what damaged packs hold. */
  partial: Type.Boolean(),
})
export type WriteErrand = Static<typeof WriteErrand>

/** Write a snapshot as one archive of the kind that OpenClaw itself makes. */
export const ArchiveErrand = Strict({
  kind: Type.Literal('archive'),
  source: Source,
  to: Type.String(),
})
export type ArchiveErrand = Static<typeof ArchiveErrand>

/** Look at an archive from anywhere, whole, and only then write what it holds below `to`. */
export const UnpackErrand = Strict({
  kind: Type.Literal('unpack'),
  archive: Type.String(),
  to: Type.String(),
  /** Links that would lead out of the archive are left out rather than a reason to refuse it. */
  skipLinks: Type.Boolean(),
  /** How many times larger than the archive its contents may be, beyond the first MiB. */
  maxRatio: Type.Integer({ minimum: 1, maximum: 1100 }),
})
export type UnpackErrand = Static<typeof UnpackErrand>

/** What an archive says of where it comes from. */
export const ArchiveOrigin = Strict({
  layout: Layout,
  configPath: Type.String(),
  createdAt: Type.String(),
})
export type ArchiveOrigin = Static<typeof ArchiveOrigin>

/** Absolute paths on the node and what the links there hold, base64url of their bytes. */
const Links = Type.Array(Strict({ path: Type.String(), target: Type.String() }))

/** Be the node that an unpacked archive is of, for one capture. */
export const AdoptErrand = Strict({
  kind: Type.Literal('adopt'),
  /** Where it was unpacked: below it everything lies at its own path. */
  below: Type.String(),
  origin: ArchiveOrigin,
  /** For the identity that lives as long as this. */
  state: Type.String(),
  join: Type.String(),
  /** What was not taken along, for the snapshot's warnings. */
  leftOut: Type.Array(Type.String()),
  /** To be made there. */
  links: Links,
})
export type AdoptErrand = Static<typeof AdoptErrand>

export const Errand = Type.Union([WriteErrand, ArchiveErrand, UnpackErrand, AdoptErrand])
export type Errand = Static<typeof Errand>

export const Lost = Strict({ place: Type.String(), code: Type.String() })
export type Lost = Static<typeof Lost>

export const WriteResult = Strict({
  files: Count,
  bytes: Count,
  /** What could not be read; empty unless it was asked for in part. */
  lost: Type.Array(Lost),
  /** Where the roots of the snapshot are to live. */
  roots: Type.Record(Type.String(), Type.String()),
  /** What was changed, by kind. */
  rewritten: Type.Record(Type.String(), Count),
  /** What people should know about the new places, as in a plan. */
  findings: Type.Array(
    Strict({
      code: Type.String(),
      weight: Type.Enum(['blocker', 'warning', 'notice']),
      facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
    }),
  ),
})
export type WriteResult = Static<typeof WriteResult>

export const ArchiveResult = Strict({
  files: Count,
  bytes: Count,
  archiveBytes: Count,
  /** Why OpenClaw's own check of it would fail, or what is not in it. */
  warnings: Type.Array(Type.String()),
})
export type ArchiveResult = Static<typeof ArchiveResult>

export const UnpackResult = Strict({
  entries: Count,
  bytes: Count,
  origin: ArchiveOrigin,
  leftOut: Type.Array(Type.String()),
  links: Links,
})
export type UnpackResult = Static<typeof UnpackResult>

export const AdoptResult = Strict({ node: Type.String() })

/** From the process that does it. */
export const ErrandEvent = Type.Union([
  Strict({
    kind: Type.Literal('progress'),
    phase: Type.String(),
    done: Count,
    total: Count,
  }),
  /** A range of a pack is wanted; `n` counts them. */
  Strict({
    kind: Type.Literal('want'),
    n: Count,
    pack: Hash,
    offset: Count,
    length: Count,
  }),
  /** The node is enrolled and waits to be told that its capture is done. */
  Strict({ kind: Type.Literal('joined'), node: Type.String() }),
  Strict({ kind: Type.Literal('done'), result: Type.Unknown() }),
  Strict({
    kind: Type.Literal('failed'),
    code: Type.String(),
    facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    detail: Type.String(),
  }),
])
export type ErrandEvent = Static<typeof ErrandEvent>

/** To the process that does it. The first frame's body is the CBOR of the errand. */
export const ErrandMessage = Type.Union([
  Strict({ kind: Type.Literal('begin') }),
  /** The frame's body is what was wanted; an error instead of it when `code` is not ''. */
  Strict({ kind: Type.Literal('range'), n: Count, code: Type.String() }),
  Strict({ kind: Type.Literal('finish') }),
])
export type ErrandMessage = Static<typeof ErrandMessage>

const JSON_MAX_BYTES = 64 * 1024 * 1024
const BODY_MAX_BYTES = 33 * 1024 * 1024

export interface ErrandFrame {
  readonly json: unknown
  readonly body: Uint8Array
}

const EMPTY: Uint8Array = new Uint8Array(0)

export function errandFrame(json: ErrandEvent | ErrandMessage, body = EMPTY): Uint8Array {
  const text = utf8(JSON.stringify(json))
  const head = new Uint8Array(8)
  const view = new DataView(head.buffer)
  view.setUint32(0, text.length)
  view.setUint32(4, body.length)
  return concat(head, text, body)
}

/** Puts frames together from what a pipe yields. */
export class ErrandFrames {
  #parts: Uint8Array[] = []
  #held = 0

  /** @throws OcmError 'malformed' */
  push(part: Uint8Array): readonly ErrandFrame[] {
    this.#parts.push(part)
    this.#held += part.length
    const frames: ErrandFrame[] = []
    for (let frame = this.#take(); frame; frame = this.#take()) frames.push(frame)
    return frames
  }

  #take(): ErrandFrame | undefined {
    if (this.#held < 8) return undefined
    if ((this.#parts[0] as Uint8Array).length < 8) this.#parts = [concat(...this.#parts)]
    const head = this.#parts[0] as Uint8Array
    const view = new DataView(head.buffer, head.byteOffset, 8)
    const [text, body] = [view.getUint32(0), view.getUint32(4)]
    if (text > JSON_MAX_BYTES || body > BODY_MAX_BYTES) throw malformed()
    const end = 8 + text + body
    if (this.#held < end) return undefined
    const whole = this.#parts.length === 1 ? head : concat(...this.#parts)
    this.#held -= end
    this.#parts = this.#held === 0 ? [] : [whole.subarray(end)]
    try {
      const json: unknown = JSON.parse(fromUtf8(whole.subarray(8, 8 + text)))
      return { json, body: whole.slice(8 + text, end) }
    } catch (cause) {
      throw malformed(cause)
    }
  }
}

const malformed = (cause?: unknown) => new OcmError('malformed', { what: 'errand' }, { cause })

export const encodeErrand = (errand: Errand): Uint8Array => toCbor(errand)

/** @throws OcmError 'malformed' */
export const decodeErrand = (bytes: Uint8Array): Errand =>
  check(Errand, fromCbor(bytes, 'errand'), 'errand')
