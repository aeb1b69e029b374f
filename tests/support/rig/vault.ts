/** The vault of the rig with its operator and its two nodes, the same in every process. */
import { type Vault, type VaultRecord, signVaultRecord, vaultIdOf } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'

export const A = '0a'.repeat(16)
export const B = '0b'.repeat(16)
export const OPERATOR = '0d'.repeat(16)

const seed = (n: number) => new Uint8Array(32).fill(n)
const root = p.ed25519Pair(seed(1))
export const vault: Vault = {
  id: vaultIdOf(p, root.public),
  root,
  epoch: 1,
  sealing: p.x25519Pair(seed(2)),
}
export const keys = {
  a: p.ed25519Pair(seed(3)),
  b: p.ed25519Pair(seed(4)),
  operator: p.ed25519Pair(seed(5)),
  stranger: p.ed25519Pair(seed(6)),
}

export const vaultRecord = (more: Partial<VaultRecord> = {}): Uint8Array =>
  signVaultRecord(p, vault, {
    v: 1,
    vault: vault.id,
    serial: 7,
    epoch: 1,
    sealing: vault.sealing.public,
    operators: [{ id: OPERATOR, key: keys.operator.public }],
    hubs: [],
    nodes: [
      { id: A, key: keys.a.public },
      { id: B, key: keys.b.public },
    ],
    revoked: [],
    at: 0,
    ...more,
  })
