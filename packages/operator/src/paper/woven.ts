/** A snapshot for tests whose contents lie as an agent's do after a while: in pieces, in several packs, to and fro. */
import {
  type Entry,
  type ExtentRef,
  type ManifestRoot,
  PackWriter,
  type Primitives,
  type VaultRecord,
  contentHash,
  fromHex,
  startRun,
  utf8,
} from '@ocm/protocol'
import type { PaperHub } from './hub.ts'
import { type PaperNode, commitEntries } from './node.ts'

export interface WovenFile {
  readonly path: string
  readonly kind: 'file' | 'database'
  readonly bytes: Uint8Array
  /** Which pack each of its pieces goes to, over and over; e.g. [0, 1] for every other one. */
  readonly packs: readonly number[]
  readonly pieceBytes: number
  /** Whose hash the manifest carries instead of the content's own. */
  readonly hashOf?: Uint8Array
}

const SEGMENT_BYTES = 64 * 1024

/** Packs are numbered as `files` say; pieces of one pack share segments. @returns the snapshot's id and its packs */
export function takeWoven(
  p: Primitives,
  hub: PaperHub,
  record: VaultRecord,
  node: PaperNode,
  files: readonly WovenFile[],
  seq = 1,
): { readonly id: string; readonly packs: readonly string[] } {
  const { vault, epoch, sealing } = record
  const run = startRun(p, { vault, epoch, sealing, node: node.id })
  const count = 1 + Math.max(...files.flatMap(({ packs }) => packs))
  const writers = Array.from({ length: count }, () => new PackWriter(p, run, 'state'))
  const filling = writers.map(() => ({ parts: [] as Uint8Array[], bytes: 0 }))
  const flush = (n: number) => {
    const { parts, bytes } = filling[n] as (typeof filling)[number]
    if (bytes === 0) return
    const plain = new Uint8Array(bytes)
    let at = 0
    for (const part of parts) {
      plain.set(part, at)
      at += part.length
    }
    writers[n]?.add({ stored: plain, plainBytes: bytes, zstd: false })
    filling[n] = { parts: [], bytes: 0 }
  }
  const placed = files.map((file) => {
    const refs: { pack: number; segment: number; offset: number; length: number }[] = []
    for (let at = 0, i = 0; at < file.bytes.length; at += file.pieceBytes, i++) {
      const pack = file.packs[i % file.packs.length] as number
      const part = file.bytes.subarray(at, at + file.pieceBytes)
      if ((filling[pack]?.bytes ?? 0) + part.length > SEGMENT_BYTES) flush(pack)
      const open = filling[pack] as (typeof filling)[number]
      refs.push({
        pack,
        segment: (writers[pack] as PackWriter).segments,
        offset: open.bytes,
        length: part.length,
      })
      open.parts.push(part)
      open.bytes += part.length
    }
    return { file, refs }
  })
  const packs: ManifestRoot['packs'] = []
  const ids = writers.map((writer, n) => {
    flush(n)
    const { id, bytes, header } = writer.finish()
    hub.packs.set(id, bytes)
    packs.push({ id: fromHex(id), bytes: bytes.length, class: 'state', header })
    return id
  })
  const entries = placed.map(({ file, refs }): Entry => {
    const hash = contentHash(p, file.kind, file.bytes.length)
    hash.update(file.hashOf ?? file.bytes)
    return {
      root: 'state',
      path: utf8(file.path),
      kind: file.kind,
      section: 'gateway',
      travel: 'always',
      mode: 0o600,
      modifiedAt: 0,
      size: file.bytes.length,
      sha256: hash.digest(),
      extents: refs.map((ref): ExtentRef => [
        fromHex(ids[ref.pack] as string),
        ref.segment,
        ref.offset,
        ref.length,
      ]),
    }
  })
  return { id: commitEntries(p, hub, record, node, { run, packs, entries, seq }), packs: ids }
}
