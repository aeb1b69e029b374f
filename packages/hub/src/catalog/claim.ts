/** Packs that somebody relies on, inside the transaction that relies on them. */
import type { Transaction } from 'kysely'
import type { PackSize, WantedPack } from '../nodes/ports.ts'
import type { Schema } from './schema.ts'

/** SQLite binds at most 32,766 values to a statement; this also keeps a statement short enough not to block. */
export const AT_ONCE = 1000
/** Files looked at side by side. */
const LOOKED_AT = 64

/**
 * Those of `wanted` that this node has stored, whole, with their file, come back to life if they were tombstoned: from
 * here on the collector sees them as they are in this transaction. All others are answered. What lies in the catalog and
 * not on the disk is written down as missing.
 */
export async function claimPacks(
  tx: Transaction<Schema>,
  node: string,
  wanted: readonly WantedPack[],
  size: PackSize,
  at: number,
): Promise<string[]> {
  const missing: string[] = []
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    const part = wanted.slice(from, from + AT_ONCE)
    const ids = part.map(({ id }) => id)
    const rows = await tx
      .selectFrom('packs')
      .select(['id', 'bytes', 'class', 'state', 'damage'])
      .where('node', '=', node)
      .where('id', 'in', ids)
      .execute()
    const known = new Map(rows.map((row) => [row.id, row]))
    const isThere = await lookAt(
      rows.map(({ id }) => id),
      size,
    )
    const held: string[] = []
    const lost: string[] = []
    for (const pack of part) {
      const row = known.get(pack.id)
      const fits =
        row !== undefined &&
        row.state !== 'deleting' &&
        row.damage === null &&
        (pack.bytes === undefined || pack.bytes === row.bytes) &&
        (pack.class === undefined || pack.class === row.class)
      const onDisk = row !== undefined && isThere.get(pack.id) === row.bytes
      if (fits && onDisk) held.push(pack.id)
      else missing.push(pack.id)
      if (fits && !onDisk) lost.push(pack.id)
    }
    if (held.length > 0) {
      await tx
        .updateTable('packs')
        .set({ state: 'live', tombstoned_at: null })
        .where('node', '=', node)
        .where('id', 'in', held)
        .where('state', '=', 'tombstoned')
        .execute()
    }
    if (lost.length > 0) {
      await tx
        .updateTable('packs')
        .set({ damage: 'missing', damaged_at: at })
        .where('node', '=', node)
        .where('id', 'in', lost)
        .execute()
    }
  }
  return missing
}

async function lookAt(
  ids: readonly string[],
  size: PackSize,
): Promise<ReadonlyMap<string, number | undefined>> {
  const found = new Map<string, number | undefined>()
  for (let from = 0; from < ids.length; from += LOOKED_AT) {
    const part = ids.slice(from, from + LOOKED_AT)
    const sizes = await Promise.all(part.map((id) => size(id)))
    part.forEach((id, index) => found.set(id, sizes[index]))
  }
  return found
}
