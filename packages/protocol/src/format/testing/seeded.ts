/** Primitives that draw the same "random" bytes each time: for vectors and proofs, never for anything that has to stay secret. */
import { utf8 } from '../../bytes.ts'
import type { Primitives } from '../../primitives/primitives.ts'
import { u32 } from '../pack.ts'

/** SHA-256 of `label ‖ u32 0`, of `label ‖ u32 1` and so on, one behind the other. */
export function stream(p: Primitives, label: string, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(length / 32) * 32)
  for (let at = 0; at < length; at += 32) bytes.set(p.sha256(utf8(label), u32(at / 32)), at)
  return bytes.subarray(0, length)
}

export function seeded(p: Primitives, seed: string): Primitives {
  let drawn = 0
  const random = (length: number) => stream(p, `${seed} ${drawn++} `, length)
  return {
    ...p,
    random,
    x25519Pair: (secret = random(32)) => p.x25519Pair(secret),
    ed25519Pair: (secret = random(32)) => p.ed25519Pair(secret),
  }
}
