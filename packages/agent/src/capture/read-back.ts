/** The node cannot read a pack once the run is over: whatever is wrong with it has to show before it leaves. */
import {
  type FinishedPack,
  OcmError,
  type Primitives,
  equal,
  free,
  openPackAtHand,
} from '@ocm/protocol'

export interface Sample {
  readonly segment: number
  /** Of its plaintext. */
  readonly sha256: Uint8Array
}

/** @throws OcmError 'pack-damaged' */
export function readBack(p: Primitives, pack: FinishedPack, samples: readonly Sample[]): void {
  const { bytes, key, header } = pack
  const at = {
    bytes: bytes.length,
    read: (from: number, n: number) => bytes.subarray(from, from + n),
  }
  // Its id has just been made of its bytes.
  const open = openPackAtHand(p, at, { packKey: key }, { header })
  for (const { segment, sha256 } of samples) {
    const plain = open.segment(segment)
    if (!equal(p.sha256(plain), sha256)) throw new OcmError('pack-damaged', { pack: pack.id })
    free(plain)
  }
}
