/** Ids: 16 random bytes or a 32-byte hash, written as lowercase hexadecimal wherever text is needed. */
import { Type } from 'typebox'
import { hex } from './bytes.ts'
import type { Primitives } from './primitives/primitives.ts'

type Branded<B extends string> = string & { readonly '~brand'?: B }

/** 32 hexadecimal digits. */
export type NodeId = Branded<'node'>
export type JobId = Branded<'job'>
export type TicketId = Branded<'ticket'>
export type OperatorId = Branded<'operator'>
export type VaultId = Branded<'vault'>
/** 64 hexadecimal digits: the SHA-256 of the signed header's stored bytes. */
export type SnapshotId = Branded<'snapshot'>
/** 64 hexadecimal digits: the SHA-256 of the pack's stored bytes. */
export type PackId = Branded<'pack'>

export const ID_PATTERN = '^[0-9a-f]{32}$'
export const HASH_PATTERN = '^[0-9a-f]{64}$'

/** A 16-byte id as text, in JSON and CBOR alike. */
export const Id = Type.String({ pattern: ID_PATTERN })
/** A 32-byte hash as text. */
export const Hash = Type.String({ pattern: HASH_PATTERN })

export const newId = (p: Primitives): string => hex(p.random(16))

/** A vault is named by its root: the first 16 bytes of the SHA-256 of the root's public key. */
export const vaultIdOf = (p: Primitives, root: Uint8Array): VaultId =>
  hex(p.sha256(root).subarray(0, 16))

/** What people compare: 8 groups of 4 letters and digits, 160 bits of the key's SHA-256 in base32 (RFC 4648, lower case). */
export function fingerprint(p: Primitives, publicKey: Uint8Array): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of p.sha256(publicKey).subarray(0, 20)) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += letters[(held >> bits) & 31]
    }
  }
  return text.match(/.{4}/g)?.join('-') ?? ''
}
