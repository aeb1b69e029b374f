/** What the hub keeps of how a node is reached: sealed to the vault and signed, so it can neither read nor change it. */
import {
  OcmError,
  type ReadingWith,
  type SshConnection,
  type SshCredential,
  type SshNode,
  type StoredKind,
  type StoringWith,
  base64url,
  fromBase64url,
  readConnection,
  readCredential,
  sealDelegation,
  storeConnection,
  storeCredential,
  storedSerial,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import { rememberStored, storedSeen } from '../vault/memory.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { lentOf } from './lent.ts'

const signersOf = ({ record }: Unlocked) => record.operators.map(({ key }) => key)

/** How a node is reached; undefined when nobody has said so yet. */
export async function openConnection(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
): Promise<SshConnection | undefined> {
  return connectionIn(ports, unlocked, node, await ports.api.sshOf(node))
}

/** @throws OcmError 'malformed', 'signature-invalid', 'seal-broken', 'ssh-stored-stale' */
export const connectionIn = (
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  { connection }: SshNode,
): Promise<SshConnection | undefined> =>
  readNewest(ports, unlocked, 'ssh-connection', node, connection, readConnection)

export const credentialIn = (
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  { credential }: SshNode,
): Promise<SshCredential | undefined> =>
  readNewest(ports, unlocked, 'ssh-credential', node, credential, readCredential)

/** A hub that serves what was stored before is found out by whoever has seen what came after it. */
async function readNewest<T>(
  { p, memory }: Ports,
  unlocked: Unlocked,
  kind: StoredKind,
  node: string,
  text: string | null,
  read: (p: Ports['p'], node: string, statement: Uint8Array, by: ReadingWith) => T,
): Promise<T | undefined> {
  if (text === null) return undefined
  const statement = fromBase64url(text)
  const signers = signersOf(unlocked)
  const seen = await storedSeen(memory, kind, node)
  const sealingOf = (epoch: number) => unlocked.epochs.of(epoch)
  const value = read(p, node, statement, { signers, sealingOf, seen })
  await rememberStored(memory, kind, node, storedSerial(p, kind, node, statement, signers))
  return value
}

/** From then on the node is reached over ssh. @throws OcmError 'ssh-address-refused' */
export async function keepConnection(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  connection: SshConnection,
): Promise<SshNode> {
  const by = await storingWith(ports, unlocked, 'ssh-connection', node)
  const statement = storeConnection(ports.p, node, connection, by)
  const stored = await ports.api.putSsh(node, { connection: base64url(statement) })
  await rememberStored(ports.memory, 'ssh-connection', node, by.serial)
  return stored
}

/** Any operator who opens the vault can lend it from then on. @param credential null takes a stored one away. */
export async function keepCredential(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  credential: SshCredential | null,
): Promise<SshNode> {
  if (credential === null) return ports.api.putSsh(node, { credential: null })
  const by = await storingWith(ports, unlocked, 'ssh-credential', node)
  const statement = storeCredential(ports.p, node, credential, by)
  const stored = await ports.api.putSsh(node, { credential: base64url(statement) })
  await rememberStored(ports.memory, 'ssh-credential', node, by.serial)
  return stored
}

async function storingWith(
  { p, api, memory }: Ports,
  unlocked: Unlocked,
  kind: StoredKind,
  node: string,
): Promise<StoringWith> {
  const { record, operator } = unlocked
  const served = await api.sshOf(node)
  const text = kind === 'ssh-connection' ? served.connection : served.credential
  const known = text === null ? 0 : numberOf(p, unlocked, kind, node, text)
  const serial = Math.max(known, await storedSeen(memory, kind, node)) + 1
  return { sealing: record.sealing, epoch: record.epoch, serial, signer: operator.key }
}

/** What nobody can read any more does not keep anybody from storing it anew. */
function numberOf(
  p: Ports['p'],
  unlocked: Unlocked,
  kind: StoredKind,
  node: string,
  text: string,
): number {
  try {
    return storedSerial(p, kind, node, fromBase64url(text), signersOf(unlocked))
  } catch (error) {
    if (error instanceof OcmError) return 0
    throw error
  }
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
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  credential: SshCredential,
  known?: SshNode,
): Promise<SshNode> {
  const { p, api } = ports
  const stored = known ?? (await api.sshOf(node))
  const connection = await connectionIn(ports, unlocked, node, stored)
  if (connection === undefined) throw new OcmError('not-found', { what: 'ssh connection' })
  const lent = lentOf(connection, credential)
  const sealed = sealDelegation(p, fromBase64url(stored.delegateTo), node, lent)
  return api.putSsh(node, { delegation: base64url(sealed) })
}

export const endDelegation = ({ api }: Ports, node: string): Promise<SshNode> =>
  api.putSsh(node, { delegation: null })
