/** What the hub keeps of how a node is reached: sealed to the vault and signed, so it can neither read nor change it. */
import {
  OcmError,
  type SshConnection,
  type SshCredential,
  type SshNode,
  base64url,
  fromBase64url,
  readConnection,
  readCredential,
  sealDelegation,
  storeConnection,
  storeCredential,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { lentOf } from './lent.ts'

const storingWith = ({ record, operator }: Unlocked) => ({
  sealing: record.sealing,
  epoch: record.epoch,
  signer: operator.key,
})

const readingWith = ({ record, epochs }: Unlocked) => ({
  signers: record.operators.map(({ key }) => key),
  sealingOf: (epoch: number) => epochs.of(epoch),
})

/** How a node is reached; undefined when nobody has said so yet. */
export async function openConnection(
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
): Promise<SshConnection | undefined> {
  return connectionIn(p, unlocked, node, await api.sshOf(node))
}

/** @throws OcmError 'malformed', 'signature-invalid', 'seal-broken' */
export const connectionIn = (
  p: Ports['p'],
  unlocked: Unlocked,
  node: string,
  { connection }: SshNode,
): SshConnection | undefined =>
  connection === null
    ? undefined
    : readConnection(p, node, fromBase64url(connection), readingWith(unlocked))

export const credentialIn = (
  p: Ports['p'],
  unlocked: Unlocked,
  node: string,
  { credential }: SshNode,
): SshCredential | undefined =>
  credential === null
    ? undefined
    : readCredential(p, node, fromBase64url(credential), readingWith(unlocked))

/** From then on the node is reached over ssh. @throws OcmError 'ssh-address-refused' */
export async function keepConnection(
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
  connection: SshConnection,
): Promise<SshNode> {
  const statement = storeConnection(p, node, connection, storingWith(unlocked))
  return api.putSsh(node, { connection: base64url(statement) })
}

/** Any operator who opens the vault can lend it from then on. @param credential null takes a stored one away. */
export async function keepCredential(
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
  credential: SshCredential | null,
): Promise<SshNode> {
  if (credential === null) return api.putSsh(node, { credential: null })
  const statement = storeCredential(p, node, credential, storingWith(unlocked))
  return api.putSsh(node, { credential: base64url(statement) })
}

/** What a delegation gives up; the same words wherever it is asked for. */
export const DELEGATION_GIVES_UP = [
  'The hub can then log in to this node by itself, at any time and without you.',
  'The key that opens the credential lies on the disk of the hub: whoever reads that disk, or a copy of it, can log in to the node as this user.',
  'Everything else stays as it is: stored credentials, other nodes and the vault are sealed as before.',
  'Take it back at any time; then change the password or the key on the node, because the hub has known it.',
] as const

/** For schedules that run while nobody is there. @param known what is stored, where that was read before. @throws OcmError 'not-found' when no connection is stored */
export async function delegate(
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
  credential: SshCredential,
  known?: SshNode,
): Promise<SshNode> {
  const stored = known ?? (await api.sshOf(node))
  const connection = connectionIn(p, unlocked, node, stored)
  if (connection === undefined) throw new OcmError('not-found', { what: 'ssh connection' })
  const lent = lentOf(connection, credential)
  const sealed = sealDelegation(p, fromBase64url(stored.delegateTo), node, lent)
  return api.putSsh(node, { delegation: base64url(sealed) })
}

export const endDelegation = ({ api }: Ports, node: string): Promise<SshNode> =>
  api.putSsh(node, { delegation: null })
