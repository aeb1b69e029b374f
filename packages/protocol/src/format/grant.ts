/** Which keys a target needs for what it was granted, and no other. */
import { equal, hex } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { PackId } from '../ids.ts'
import type { Entry, Manifest, ManifestRoot } from '../manifest.ts'
import type { Grant } from '../orders.ts'
import type { Primitives } from '../primitives/primitives.ts'
import { type VaultOpener, packKeyFor, readPackHead } from './open-pack.ts'

/** The packs that hold the manifest itself and the contents of the entries that are chosen. */
export function packsFor(
  root: ManifestRoot,
  manifest: Pick<Manifest, 'entries'>,
  isChosen: (entry: Entry) => boolean = () => true,
): ReadonlySet<PackId> {
  const refs = [
    ...root.pages.flatMap((page) => page.extents),
    ...manifest.entries.filter(isChosen).flatMap((entry) => entry.extents ?? []),
  ]
  return new Set(refs.map(([pack]) => hex(pack)))
}

/**
 * The keys of packs, out of their headers and the vault.
 * @param opener for the node of the snapshot: one that names packs of another node in its root gets no keys of them.
 * @param root of the snapshot: it vouches for the headers, which come from the hub.
 * @param starts the first bytes of each pack, see `readPackHead`.
 * @throws OcmError 'pack-missing' when there is no start of a wanted pack; 'pack-damaged' when it is not the start of
 * the pack that the node wrote
 */
export function grantFor(
  p: Primitives,
  opener: VaultOpener,
  root: ManifestRoot,
  wanted: Iterable<PackId>,
  starts: ReadonlyMap<PackId, Uint8Array>,
): Grant['packs'] {
  const known = new Map(root.packs.map((pack) => [hex(pack.id), pack]))
  return [...wanted].toSorted().map((id) => {
    const pack = known.get(id)
    const start = starts.get(id)
    if (!pack || !start) throw new OcmError('pack-missing', { pack: id })
    const head = readPackHead(p, start, id)
    const { class: packClass, node } = head.header
    const isNamed = equal(head.headerHash, pack.header) && packClass === pack.class
    if (!isNamed || node !== opener.node) throw new OcmError('pack-damaged', { pack: id })
    return [pack.id, packKeyFor(p, head, opener)]
  })
}
