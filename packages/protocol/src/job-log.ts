/** What a node tells operators while it works: names and paths, so it is sealed to the vault and the hub relays it. */
import { fromUtf8, utf8 } from './bytes.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { openSealed, sealTo } from './sealing.ts'

/** @param job the id of the job, so that a line cannot be shown under another. */
export const sealJobLog = (
  p: Primitives,
  sealing: Uint8Array,
  job: string,
  text: string,
): Uint8Array => sealTo(p, [sealing], 'job-log', { job }, utf8(text))

/** @throws OcmError 'malformed' or 'seal-broken' */
export const openJobLog = (
  p: Primitives,
  sealing: KeyPair,
  job: string,
  sealed: Uint8Array,
): string => fromUtf8(openSealed(p, sealing, 'job-log', { job }, sealed))
