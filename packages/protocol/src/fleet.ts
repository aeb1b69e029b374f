/**
 * How a hub tells that two nodes go by one identity without learning which: each node signs keyed fingerprints of what
 * only one node may have. The key comes from the vault's root and travels past the hub, in a join string or a grant.
 */
import { type Static, Type } from 'typebox'
import { utf8 } from './bytes.ts'
import type { Primitives } from './primitives/primitives.ts'
import { Bytes, Strict } from './shapes.ts'
import type { Vault } from './vault.ts'

export const FINGERPRINT_KINDS = ['bot-token', 'device-key', 'channel-account'] as const
export const FingerprintKind = Type.Enum([...FINGERPRINT_KINDS])
export type FingerprintKind = (typeof FINGERPRINT_KINDS)[number]

/** What only one node at a time may go by. */
export const IdentityPrint = Strict({
  kind: FingerprintKind,
  print: Bytes(16),
})
export type IdentityPrint = Static<typeof IdentityPrint>

/** As many are told; a node has a handful. */
export const MAX_PRINTS = 256

/** The same for all nodes of a vault, and of another vault another one. 32 bytes. */
export const fleetKeyOf = (p: Primitives, { root }: Pick<Vault, 'root'>): Uint8Array =>
  p.hkdf(root.secret, new Uint8Array(0), utf8('ocm/1 fleet'), 32)

/**
 * Of the kind and the value: a token that is also an account's name is two things. Of a 'secret' the beginning is kept,
 * sealed, for comparing.
 */
export const identityPrint = (
  p: Primitives,
  fleetKey: Uint8Array,
  kind: FingerprintKind | 'secret',
  value: string,
): Uint8Array => p.hmacSha256(fleetKey, utf8(`${kind}\0${value}`)).slice(0, 16)
