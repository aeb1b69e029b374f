/** What can be told of two files only by reading them. */
import { type Entry, concat, hex, pathFromBytes } from '@ocm/protocol'
import type { OpenedSnapshot } from '../snapshots/open.ts'
import type { Comparison, EntryChange, Within } from './changes.ts'
import { compareManifests } from './compare.ts'
import { sidesOf } from './lists.ts'
import { sameText } from './portable.ts'
import { unifiedDiff } from './text.ts'

/** Larger files are not read for this. */
const TEXT_BYTES = 4 * 1024 * 1024
/** As many are read to see whether they differ in more than the places they name; the others are shown as changed. */
const MOST_READ = 500

type Pair = readonly [OpenedSnapshot, OpenedSnapshot]

/** The comparison of two opened snapshots; files that name places of their own node are read. @throws OcmError 'pack-damaged' */
export async function compareSnapshots(
  a: OpenedSnapshot,
  b: OpenedSnapshot,
  within: Within = {},
): Promise<Comparison> {
  const compared = compareManifests(a.manifest, b.manifest, within)
  const sides = sidesOf(a.manifest, b.manifest)
  const entries: EntryChange[] = []
  let reads = 0
  for (const { unsettled, ...change } of compared.entries) {
    if (unsettled && reads < MOST_READ) {
      reads += 1
      const texts = await textsAt([a, b], change.path)
      const isSame = texts !== undefined && sameText(...texts, sides)
      const what = isSame ? change.what.filter((one) => one !== 'content') : change.what
      if (what.length > 0) entries.push({ ...change, what })
    } else entries.push(change)
  }
  return { ...compared, entries }
}

export interface TextDiff {
  /** `root:path`. */
  readonly path: string
  /** Null for what is not shown. */
  readonly diff: string | null
  readonly why?: 'secret' | 'not text' | 'too large'
}

/** Line by line. @throws OcmError 'pack-damaged' */
export async function textDiff(
  pair: Pair,
  path: string,
  options: { readonly showSecrets: boolean; readonly names: readonly [string, string] },
): Promise<TextDiff> {
  const entries = pair.map((side) => entryAt(side, path))
  const isSecret = pair.some((side, n) => {
    const entry = entries[n]
    return entry !== undefined && isSecretIn(side, entry)
  })
  if (isSecret && !options.showSecrets) return { path, diff: null, why: 'secret' }
  if (entries.some((entry) => (entry?.size ?? 0) > TEXT_BYTES)) {
    return { path, diff: null, why: 'too large' }
  }
  const texts = await textsAt(pair, path)
  if (texts === undefined) return { path, diff: null, why: 'not text' }
  return { path, diff: unifiedDiff(...texts, options.names) }
}

/** Of what is not there ''. Undefined when one of them is no text, or too long to be read as one. */
async function textsAt(pair: Pair, path: string): Promise<readonly [string, string] | undefined> {
  const texts: string[] = []
  for (const side of pair) {
    const entry = entryAt(side, path)
    const text = (entry?.size ?? 0) > TEXT_BYTES ? undefined : await textOf(side, entry)
    if (text === undefined) return undefined
    texts.push(text)
  }
  const [before, after] = texts as [string, string]
  return [before, after]
}

const byPlace = new WeakMap<OpenedSnapshot, ReadonlyMap<string, Entry>>()

/** Many are looked up, and a large node has very many. */
function entryAt(snapshot: OpenedSnapshot, path: string): Entry | undefined {
  let entries = byPlace.get(snapshot)
  if (entries === undefined) {
    const { entries: all } = snapshot.manifest
    entries = new Map(all.map((entry) => [`${entry.root}:${pathFromBytes(entry.path)}`, entry]))
    byPlace.set(snapshot, entries)
  }
  return entries.get(path)
}

/** By the class of its packs, and by its section: an empty file has no packs. */
function isSecretIn({ root }: OpenedSnapshot, { section, extents = [] }: Entry): boolean {
  if (section === 'credentials' || section === 'environment') return true
  const secret = new Set(
    root.packs.filter((pack) => pack.class === 'secret').map(({ id }) => hex(id)),
  )
  return extents.some(([id]) => secret.has(hex(id)))
}

async function textOf(snapshot: OpenedSnapshot, entry: Entry | undefined) {
  if (entry === undefined || entry.kind !== 'file') return ''
  const parts: Uint8Array[] = []
  for await (const part of snapshot.read(entry)) parts.push(part)
  const content = concat(...parts)
  if (content.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    // That it is no text is the answer.
    return undefined
  }
}
