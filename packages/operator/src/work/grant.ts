/** Which keys a target needs, and no more than those. */
import { type Choices, type Entry, type Grant, hex, toCbor } from '@ocm/protocol'
import type { Ports, Unlocked } from '../vault/unlock.ts'
import type { Prepared } from './plan.ts'

/** The pack keys of the manifest itself and of every entry that goes to the target. */
export async function grantFor(
  _ports: Ports,
  _unlocked: Unlocked,
  { source, plan }: Prepared,
): Promise<Grant> {
  const needed = new Set<string>()
  const need = (entry: Pick<Entry, 'extents'>) => {
    for (const [pack] of entry.extents ?? []) needed.add(hex(pack))
  }
  for (const page of source.root.pages) need(page)
  for (const entry of source.manifest.entries) if (goesAlong(entry, plan.kind)) need(entry)
  const ids = source.root.packs.map(({ id }) => id).filter((id) => needed.has(hex(id)))
  const keys = await source.packs.keys(ids)
  return {
    packs: ids.map((id, n) => [id, keys[n] as Uint8Array]),
    root: toCbor(source.root),
  }
}

/** What never reaches the target is not granted either. */
function goesAlong(entry: Entry, kind: Choices['kind']): boolean {
  if (entry.travel === 'never') return false
  if (entry.travel === 'host') return kind === 'restore'
  return entry.travel === 'always' || kind !== 'clone'
}
