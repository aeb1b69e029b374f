/**
 * Where things are on one node, and how a place on one node becomes a place on another.
 *
 * A path is a JavaScript string in which each byte that is not part of valid UTF-8 stands as U+DC80..U+DCFF (the
 * byte plus 0xDC00), so that every name a disk can hold survives; see `pathToBytes`.
 */
import { type Static, Type } from 'typebox'
import { utf8 } from './bytes.ts'
import { Bytes, Count, Strict } from './shapes.ts'

/** `home`, `state`, `workspace:<persona>`, `extra:<what refers to it>`. */
export const RootId = Type.String({
  pattern: '^(home|state|(workspace|extra):[A-Za-z0-9._-]{1,96})$',
})
export type RootId = string

/** The name of a file or directory in relation to a root; '' is the root itself. `path` holds the bytes of the name. */
export const PortablePath = Strict({ root: RootId, path: Bytes() })
export interface PlacedPath {
  readonly root: RootId
  /** '/'-separated, without '.' and '..', '' for the root itself; see the note on bytes above. */
  readonly path: string
}

export const Layout = Strict({
  platform: Type.String({ maxLength: 16 }),
  hostname: Type.String({ maxLength: 255 }),
  user: Type.String({ maxLength: 255 }),
  uid: Count,
  /** Absolute paths. `home` and `state` are always there. */
  roots: Type.Record(Type.String(), Type.String()),
  /** The gateway's port as configured. */
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  versions: Strict({
    /** OpenClaw's own version, e.g. "2026.9.6"; '' when it could not be asked. */
    openclaw: Type.String(),
    /** Schema number by kind of database. */
    schemas: Type.Record(Type.String(), Count),
    node: Type.String(),
    agent: Type.String(),
  }),
})
export type Layout = Static<typeof Layout>

/** The bytes of a path on disk. */
export function pathToBytes(path: string): Uint8Array {
  if (path.isWellFormed()) return utf8(path)
  const out: number[] = []
  for (const letter of path) {
    const code = letter.codePointAt(0) as number
    if (code >= 0xdc80 && code <= 0xdcff) out.push(code - 0xdc00)
    else out.push(...utf8(letter))
  }
  return Uint8Array.from(out)
}

/** The inverse of `pathToBytes`. */
export function pathFromBytes(bytes: Uint8Array): string {
  // Nearly every name, and a large node has many.
  if (bytes.length < 256 && bytes.every((byte) => byte < 0x80)) return String.fromCharCode(...bytes)
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const length = validSequence(bytes, at)
    if (length === 0) text += String.fromCharCode(0xdc00 + (bytes[at] as number))
    else text += decoder.decode(bytes.subarray(at, at + length))
    at += Math.max(length, 1)
  }
  return text
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The length of the valid UTF-8 sequence at `at`, 0 if there is none. */
function validSequence(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number
  if (first < 0x80) return 1
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0
  for (let i = 1; i < length; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1] as number
  const overlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90)
  const beyond = (first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f)
  return overlong || beyond ? 0 : length
}

/** True when `path` is `ancestor` or lies under it; both absolute. */
export const isWithin = (ancestor: string, path: string): boolean =>
  path === ancestor || path.startsWith(ancestor.endsWith('/') ? ancestor : `${ancestor}/`)

/** The most specific root that holds an absolute path. */
export function placeOf(layout: Pick<Layout, 'roots'>, absolute: string): PlacedPath | undefined {
  let best: PlacedPath | undefined
  let length = -1
  for (const [root, at] of Object.entries(layout.roots)) {
    if (at.length > length && isWithin(at, absolute)) {
      best = { root, path: absolute === at ? '' : absolute.slice(at.length + 1) }
      length = at.length
    }
  }
  return best
}

/** @returns undefined when the layout has no such root. */
export function absoluteOf(layout: Pick<Layout, 'roots'>, place: PlacedPath): string | undefined {
  const root = layout.roots[place.root]
  if (root === undefined) return undefined
  return place.path === '' ? root : `${root}/${place.path}`
}
