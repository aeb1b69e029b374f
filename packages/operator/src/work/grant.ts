/** Which keys a target needs, and no more than those. */
import {
  type Grant,
  fleetKeyOf,
  fromBase64url,
  goesAlong,
  grantFor as keysFor,
  packsFor,
  toCbor,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import type { Prepared } from './plan.ts'

/** As many as the hub answers at once. */
const HEADERS_AT_ONCE = 5000

/**
 * The pack keys of the manifest itself and of every entry that goes to the target: what never reaches it is not granted.
 * @throws OcmError 'pack-missing', 'pack-damaged'
 */
export async function grantFor(
  { p, api }: Ports,
  { epochs, vault }: Unlocked,
  { source, plan }: Prepared,
): Promise<Grant> {
  const { root, manifest } = source
  const wanted = [...packsFor(root, manifest, (entry) => goesAlong(plan, entry))]
  const starts = new Map<string, Uint8Array>()
  for (let at = 0; at < wanted.length; at += HEADERS_AT_ONCE) {
    const ids = wanted.slice(at, at + HEADERS_AT_ONCE)
    const { headers } = await api.packHeaders(ids)
    for (const [n, header] of headers.entries()) {
      const id = ids[n]
      if (id !== undefined) starts.set(id, fromBase64url(header))
    }
  }
  const opener = { sealing: epochs.of(source.header.epoch), node: source.header.node }
  return {
    packs: keysFor(p, opener, root, wanted, starts),
    root: toCbor(root),
    fleet: fleetKeyOf(p, vault),
  }
}
