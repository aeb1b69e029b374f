/**
 * Manifest ↔ pages. Which entries share a page depends on their names alone, so a change dirties the page it lies in
 * and no other, and sections have pages of their own, because the secret ones change with every run.
 */
import { compareBytes, equal, hex, utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import { OcmError } from '../errors.ts'
import { type Layout, RootId } from '../layout.ts'
import {
  type Entry,
  type Manifest,
  ManifestPage,
  type Mention,
  type Omission,
  SECTIONS,
} from '../manifest.ts'
import { checkerOf } from '../checker.ts'
import { check } from '../shapes.ts'
import { fromCbor } from '../cbor.ts'
import { PAGE_MAX_ITEMS } from './limits.ts'

type Named = { readonly root: string; readonly path: Uint8Array }

const byName = (a: Named, b: Named) =>
  a.root === b.root ? compareBytes(a.path, b.path) : a.root < b.root ? -1 : 1

const byPlace = (a: Mention, b: Mention) => byName(a, b) || compareBytes(toCbor(a), toCbor(b))

/** A page is cut after the first item past these whose name says so, and at the latest at the limits. */
const PAGE_MIN_ITEMS = 64
const PAGE_MEAN_ITEMS = 256
const PAGE_TARGET_BYTES = 192 * 1024

/** FNV-1a over root and path. */
function nameHash({ root, path }: Named): number {
  if (root !== hashedRoot.root) hashedRoot = { root, hash: fnv(0x811c9dc5, utf8(root)) }
  const hash = fnv(hashedRoot.hash, path)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** Names come root by root. */
let hashedRoot = { root: '', hash: 0x811c9dc5 }

function fnv(hash: number, bytes: Uint8Array): number {
  let now = hash
  for (let at = 0; at < bytes.length; at++) now = Math.imul(now ^ (bytes[at] as number), 0x01000193)
  return now
}

const roughBytes = (item: Entry | Mention | Omission) =>
  160 +
  item.path.length +
  ('extents' in item ? item.extents.length * 48 : 0) +
  ('text' in item ? item.text.length + item.at.length : 0)

function cut<T extends Entry | Mention | Omission>(
  items: readonly T[],
  groupOf: (item: T) => string,
) {
  const pages: T[][] = []
  let page: T[] = []
  let bytes = 0
  const close = () => {
    if (page.length > 0) pages.push(page)
    page = []
    bytes = 0
  }
  for (const item of items) {
    const [first] = page
    if (first && groupOf(first) !== groupOf(item)) close()
    page.push(item)
    bytes += roughBytes(item)
    const named = page.length >= PAGE_MIN_ITEMS && nameHash(item) % PAGE_MEAN_ITEMS === 0
    if (named || page.length >= PAGE_MAX_ITEMS || bytes >= PAGE_TARGET_BYTES) close()
  }
  close()
  return pages
}

/** The CBOR of each page. */
export const manifestPages = (manifest: Manifest): readonly Uint8Array[] => [
  ...eachManifestPage(manifest),
]

/** The same, one after the other: of a large manifest they take a while. */
export function* eachManifestPage(manifest: Manifest): Generator<Uint8Array> {
  const [meta, ...others] = otherPages(manifest)
  if (meta) yield toCbor(meta)
  for (const page of cutEntries(manifest.entries.toSorted(compareEntries))) yield entriesPage(page)
  for (const page of others) yield toCbor(page)
}

/** Those without entries. */
export function* eachOtherPage(manifest: Omit<Manifest, 'entries'>): Generator<Uint8Array> {
  for (const page of otherPages(manifest)) yield toCbor(page)
}

function otherPages(manifest: Omit<Manifest, 'entries'>): readonly ManifestPage[] {
  const { omissions, mentions, ...rest } = manifest
  const { entries: _, ...meta } = rest as typeof rest & { readonly entries?: unknown }
  return [
    ['meta', meta],
    ...cut(omissions.toSorted(byName), () => '').map((page): ManifestPage => ['omissions', page]),
    ...cut(mentions.toSorted(byPlace), () => '').map((page): ManifestPage => ['mentions', page]),
  ]
}

/** The order of entries in the pages. */
export const compareEntries = (
  a: Pick<Entry, 'section' | 'root' | 'path'>,
  b: Pick<Entry, 'section' | 'root' | 'path'>,
): number => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section) || byName(a, b)

/** Which entries share a page. @param entries in the order of the pages. */
export const cutEntries = (entries: readonly Entry[]): readonly (readonly Entry[])[] =>
  cut(entries, (entry) => entry.section)

/** @param entries in order, those of one page. */
export const entriesPage = (entries: readonly Entry[]): Uint8Array =>
  toCbor(['entries', [...entries]] satisfies ManifestPage)

/**
 * Entries come sorted by root and path, so a directory stands before what is in it.
 * @throws OcmError 'malformed' also for a path that would lead out of its root, and for a path that occurs twice.
 */
export function manifestFromPages(pages: Iterable<Uint8Array>): Manifest {
  const named: { readonly entry: Entry; readonly name: string }[] = []
  const rest = walk(pages, (entry, name) => named.push({ entry, name }))
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return {
    ...rest.meta,
    entries: named.map(({ entry }) => entry),
    omissions: rest.omissions.toSorted(byName),
    mentions: rest.mentions.toSorted(byPlace),
  }
}

/**
 * The entries alone, one by one and in no order, for whoever keeps little of each. Nothing that was taken is to be used
 * before this has ended: only the whole is known to be a manifest.
 * @throws OcmError 'malformed' where `manifestFromPages` does
 */
export function eachEntry(pages: Iterable<Uint8Array>, take: (entry: Entry) => void): void {
  walk(pages, take)
}

function walk(pages: Iterable<Uint8Array>, take: (entry: Entry, name: string) => void) {
  let meta: Extract<ManifestPage, readonly ['meta', unknown]>[1] | undefined
  const roots = new Set<string>()
  const names: string[] = []
  /** Of whatever nothing may stand in. */
  const closed = new Set<string>()
  const omissions: Omission[] = []
  const mentions: Mention[] = []
  const ids = new Map<string, Uint8Array>()
  for (const bytes of pages) {
    const page = check(ManifestPage, fromCbor(bytes, 'manifest page'), 'manifest page')
    switch (page[0]) {
      case 'meta':
        if (meta) throw malformed()
        meta = page[1]
        break
      case 'entries':
        for (const entry of page[1]) {
          if (!staysInside(entry.path) || !isWhole(entry)) throw malformed()
          const name = nameOf(entry)
          shareIds(entry, ids)
          roots.add(entry.root)
          names.push(name)
          if (entry.kind !== 'directory') closed.add(name)
          take(entry, name)
        }
        break
      case 'omissions':
        omissions.push(...page[1])
        break
      case 'mentions':
        mentions.push(...page[1])
        break
    }
  }
  if (!meta || !hasPlaces(meta.layout)) throw malformed()
  for (const root of roots) if (!Object.hasOwn(meta.layout.roots, root)) throw malformed()
  checkNames(names, closed)
  return { meta, omissions, mentions }
}

/** A pack's id comes with each extent that lies in it; in memory one of them has to do. @param ids by their text */
function shareIds({ extents = [] }: Entry, ids: Map<string, Uint8Array>): void {
  let last: Uint8Array | undefined
  for (const extent of extents) {
    const [id] = extent
    if (!last || !equal(id, last)) {
      const text = hex(id)
      last = ids.get(text) ?? id
      ids.set(text, last)
    }
    ;(extent as [Uint8Array, ...unknown[]])[0] = last
  }
}

/** @throws OcmError 'malformed' for one that occurs twice, or lies below one that is closed */
function checkNames(names: string[], closed: ReadonlySet<string>): void {
  names.sort()
  let before = ''
  /** The directory that the name before stands in: what stands in it too has been looked at. */
  let open = ''
  for (const name of names) {
    const slash = name.lastIndexOf('/')
    const directory = slash < 0 ? '' : name.slice(0, slash + 1)
    const isNear = directory !== '' && directory === open
    if (name === before || (!isNear && isBelow(closed, name))) throw malformed()
    before = name
    open = directory
  }
}

/**
 * One entry out of a page, for whoever looks for its name alone: what the rest of the manifest says does not matter to it.
 * @returns undefined when it is not in this page.
 * @throws OcmError 'malformed'
 */
export function entryFromPage(bytes: Uint8Array, wanted: Named): Entry | undefined {
  if (!startsWith(bytes, ENTRIES) || !holds(bytes, toCbor(wanted.path))) return undefined
  const page = check(ManifestPage, fromCbor(bytes, 'manifest page'), 'manifest page')
  if (page[0] !== 'entries') return undefined
  const name = nameOf(wanted)
  const entry = page[1].find((each) => nameOf(each) === name)
  if (entry && !(staysInside(entry.path) && isWhole(entry))) throw malformed()
  return entry
}

/** How a page of entries begins: a list of two, the first of them this word. */
const ENTRIES = toCbor(['entries', []]).subarray(0, -1)

const startsWith = (page: Uint8Array, start: Uint8Array) =>
  start.every((byte, i) => page[i] === byte)

/**
 * Whether these bytes occur in a page: of most pages this is all there is to know. A path is looked for as it is encoded,
 * for the length that comes first is rarer than a letter.
 */
function holds(page: Uint8Array, part: Uint8Array): boolean {
  const first = part[0] as number
  const last = page.length - part.length
  for (let at = page.indexOf(first); at >= 0 && at <= last; at = page.indexOf(first, at + 1)) {
    let i = 1
    while (i < part.length && page[at + i] === part[i]) i++
    if (i === part.length) return true
  }
  return false
}

const malformed = () => new OcmError('malformed', { what: 'manifest' })

const SLASH = 0x2f
const DOT = 0x2e

/** '/'-separated names, none of them empty, '.' or '..'; the empty path is the root itself. */
function staysInside(path: Uint8Array): boolean {
  if (path.length === 0) return true
  let start = 0
  for (let i = 0; i <= path.length; i++) {
    const byte = i < path.length ? path[i] : SLASH
    if (byte === 0) return false
    if (byte !== SLASH) continue
    const length = i - start
    const isDots = length <= 2 && path[start] === DOT && path[i - 1] === DOT
    if (length === 0 || isDots) return false
    start = i + 1
  }
  return true
}

/** `home` and `state` are there, and every root is an absolute path without an empty name, '.' or '..'. */
function hasPlaces({ roots }: Layout): boolean {
  const isRootId = checkerOf(RootId)
  return (
    Object.hasOwn(roots, 'home') &&
    Object.hasOwn(roots, 'state') &&
    Object.entries(roots).every(
      ([root, at]) => isRootId(root) && at.startsWith('/') && staysInside(utf8(at.slice(1))),
    )
  )
}

const decoder = new TextDecoder()

function isPlain(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 0x7f) return false
  return true
}

/** How many letters `String.fromCharCode` takes at once everywhere. */
const AT_ONCE = 4096

/** Root and path as one text with a letter for each byte; sorts as `byName` does, since no root holds a zero. */
function nameOf({ root, path }: Named): string {
  if (isPlain(path)) return `${root}\0${decoder.decode(path)}`
  let text = `${root}\0`
  for (let at = 0; at < path.length; at += AT_ONCE) {
    text += String.fromCharCode(...path.subarray(at, at + AT_ONCE))
  }
  return text
}

/** Whether it lies below something that is not a directory: written through a link it would leave its root. */
function isBelow(closed: ReadonlySet<string>, name: string): boolean {
  const path = name.indexOf('\0') + 1
  for (let at = name.indexOf('/', path); at > 0; at = name.indexOf('/', at + 1)) {
    if (closed.has(name.slice(0, at))) return true
  }
  return path < name.length && closed.has(name.slice(0, path))
}

const isTarget = (target: Uint8Array | undefined): target is Uint8Array =>
  target !== undefined && target.length > 0 && !target.includes(0)

/** Has what its kind needs and nothing else. */
function isWhole(entry: Entry): boolean {
  const isContent = entry.sha256 !== undefined && entry.extents !== undefined
  const hasContent = entry.sha256 !== undefined || entry.extents !== undefined
  const bytes = entry.extents?.reduce((sum, ref) => sum + ref[3], 0)
  switch (entry.kind) {
    case 'file':
    case 'database':
      return isContent && bytes === entry.size && entry.target === undefined
    case 'link':
      return !hasContent && isTarget(entry.target) && entry.size === entry.target.length
    case 'directory':
      return !hasContent && entry.target === undefined && entry.size === 0
  }
}
