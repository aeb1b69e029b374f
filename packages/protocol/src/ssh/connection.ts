/**
 * How a node without an agent is reached, and what is lent to reach it. The connection is stored sealed to the vault and
 * signed by an operator, so that a hub can neither read where a node is nor send an operator's password elsewhere.
 * A credential is lent: sealed to the key of one short-lived borrower, for one lease.
 */
import { type Static, Type } from 'typebox'
import { toCbor } from '../cbor.ts'
import { OcmError } from '../errors.ts'
import { Id } from '../ids.ts'
import type { KeyPair, Primitives } from '../primitives/primitives.ts'
import { openSealed, sealTo } from '../sealing.ts'
import { Bytes, Count, Strict, decodeAs } from '../shapes.ts'
import { makeStatement, readStatement } from '../statements.ts'
import { checkHost, checkName, checkPort } from './address.ts'
import { HOST_KEY_PATTERN, checkHostKey } from './host-key.ts'

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength })
const HostKeys = Type.Array(Type.String({ pattern: HOST_KEY_PATTERN }), { maxItems: 8 })
const Port = Type.Integer({ minimum: 1, maximum: 65_535 })
/** Absolute, and data: it never stands in a command. It may come to stand in a unit, where a line ends with CR too. */
export const NodePath = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: String.raw`^/[^\x00-\x1f\x7f]*$`,
})

/**
 * `password` also answers keyboard-interactive. `agent` is the operator's own ssh-agent or terminal: such a node is
 * dialled from the operator's machine alone (`ocm dial`).
 */
export const SshMethod = Type.Enum(['password', 'key', 'agent'])
export type SshMethod = Static<typeof SshMethod>

export const SshHop = Strict({
  host: Text(253),
  port: Port,
  user: Text(64),
  /** Pinned: one of them, or the connection is not made. Empty only before the first look. */
  hostKeys: HostKeys,
})
export type SshHop = Static<typeof SshHop>

export const SshConnection = Strict({
  v: Type.Literal(1),
  host: Text(253),
  port: Port,
  user: Text(64),
  hostKeys: HostKeys,
  method: SshMethod,
  /** One host on the way; it passes bytes on and sees none of them in clear. */
  jump: Type.Optional(SshHop),
  /** The account of OpenClaw, where one logs in as another. `password`: sudo asks for one. */
  sudo: Type.Optional(Strict({ user: Text(64), password: Type.Boolean() })),
  container: Type.Optional(
    Strict({
      tool: Type.Enum(['docker', 'podman']),
      name: Text(128),
      user: Type.Optional(Text(64)),
    }),
  ),
  /** What `ocm-agent --openclaw-home` and `--openclaw-bin` take. */
  openclawHome: Type.Optional(NodePath),
  openclawBin: Type.Optional(NodePath),
  /** A second node of one account has an agent's directory of its own. */
  profile: Type.Optional(Text(32)),
})
export type SshConnection = Static<typeof SshConnection>

/**
 * Every word of it by the grammar of `address.ts`; to be called by whoever is about to use one.
 * @throws OcmError 'ssh-address-refused', 'malformed'
 */
export function checkConnection(connection: SshConnection): SshConnection {
  const { host, port, user, hostKeys, jump, sudo, container, profile } = connection
  if (sudo) checkName('user', sudo.user)
  if (container) checkName('container', container.name)
  if (container?.user !== undefined) checkName('user', container.user)
  if (profile !== undefined) checkName('profile', profile)
  return {
    ...connection,
    ...checkHop({ host, port, user, hostKeys }),
    ...(jump && { jump: checkHop(jump) }),
  }
}

const checkHop = (hop: SshHop): SshHop => ({
  host: checkHost(hop.host),
  port: checkPort(hop.port),
  user: checkName('user', hop.user),
  hostKeys: hop.hostKeys.map(checkHostKey),
})

export const SshAuth = Type.Union([
  Strict({ kind: Type.Literal('password'), password: Bytes() }),
  Strict({
    kind: Type.Literal('key'),
    /** The private key's file, as it is. */
    key: Bytes(),
    passphrase: Type.Optional(Bytes()),
    /** The file `…-cert.pub`, as it is. */
    certificate: Type.Optional(Bytes()),
  }),
])
export type SshAuth = Static<typeof SshAuth>

export const SshLent = Strict({
  v: Type.Literal(1),
  connection: SshConnection,
  /** Absent for a look at a host that is reached without a jump. */
  auth: Type.Optional(SshAuth),
  /** For the host on the way; absent: `auth` serves there too. */
  jumpAuth: Type.Optional(SshAuth),
  sudoPassword: Type.Optional(Bytes()),
  /** The join string of a node that is new. The borrower hands it on; the hub does not see it. */
  join: Type.Optional(Text(4096)),
})
export type SshLent = Static<typeof SshLent>

/** @param lease the id of the lease, so that what was lent once cannot be played again. */
export const sealLent = (
  p: Primitives,
  borrowerKey: Uint8Array,
  lease: string,
  lent: SshLent,
): Uint8Array => sealTo(p, [borrowerKey], 'ssh-lent', { lease }, toCbor(lent))

/** @throws OcmError 'malformed', 'seal-broken', 'ssh-address-refused' */
export function openLent(
  p: Primitives,
  borrower: KeyPair,
  lease: string,
  sealed: Uint8Array,
): SshLent {
  const plain = openSealed(p, borrower, 'ssh-lent', { lease }, sealed)
  return lentFrom(plain)
}

/**
 * For schedules that run while nobody is there: what is lent for good, to a key that lies on the hub's disk. Whoever has
 * that disk has the node. Per node, by an operator's own decision.
 */
export const sealDelegation = (
  p: Primitives,
  hubKey: Uint8Array,
  node: string,
  lent: SshLent,
): Uint8Array => sealTo(p, [hubKey], 'ssh-delegation', { node }, toCbor(lent))

/** @throws OcmError 'malformed', 'seal-broken', 'ssh-address-refused' */
export const openDelegation = (
  p: Primitives,
  hub: KeyPair,
  node: string,
  sealed: Uint8Array,
): SshLent => lentFrom(openSealed(p, hub, 'ssh-delegation', { node }, sealed))

function lentFrom(plain: Uint8Array): SshLent {
  const lent = decodeAs(SshLent, plain, 'loan')
  plain.fill(0)
  return { ...lent, connection: checkConnection(lent.connection) }
}

/** What the hub keeps of a connection or a credential: sealed to the vault's key of `epoch`, signed by an operator. */
const Stored = Strict({
  v: Type.Literal(1),
  node: Id,
  epoch: Count,
  /** Rises with each that is stored for this node, so that an old one is known for old. Absent: 0. */
  serial: Type.Optional(Count),
  sealed: Bytes(),
})

export type StoredKind = 'ssh-connection' | 'ssh-credential'

/** A stored credential: what `SshLent` has beside the connection. */
export const SshCredential = Strict({
  v: Type.Literal(1),
  auth: SshAuth,
  jumpAuth: Type.Optional(SshAuth),
  sudoPassword: Type.Optional(Bytes()),
})
export type SshCredential = Static<typeof SshCredential>

export interface StoringWith {
  /** The vault's sealing key of today. */
  readonly sealing: Uint8Array
  readonly epoch: number
  /** Above all that are known for this node. */
  readonly serial: number
  /** The operator's own key, which signs orders too. */
  readonly signer: KeyPair
}

function store(p: Primitives, kind: StoredKind, node: string, body: unknown, by: StoringWith) {
  const { sealing, epoch, serial, signer } = by
  const sealed = sealTo(p, [sealing], kind, { node }, toCbor(body))
  return makeStatement(p, kind, { v: 1, node, epoch, serial, sealed }, signer)
}

/** @returns the statement for PUT /api/nodes/:id/ssh. @throws OcmError 'ssh-address-refused' */
export const storeConnection = (
  p: Primitives,
  node: string,
  connection: SshConnection,
  by: StoringWith,
): Uint8Array => store(p, 'ssh-connection', node, checkConnection(connection), by)

export const storeCredential = (
  p: Primitives,
  node: string,
  credential: SshCredential,
  by: StoringWith,
): Uint8Array => store(p, 'ssh-credential', node, credential, by)

export interface ReadingWith {
  /** Operators of the vault record: one of them has signed. */
  readonly signers: readonly Uint8Array[]
  /** The sealing key of an epoch; see `openEpochs`. */
  readonly sealingOf: (epoch: number) => KeyPair
  /** The highest serial seen: a hub that serves an older one is found out. */
  readonly seen: number
}

function readStored(
  p: Primitives,
  kind: StoredKind,
  node: string,
  statement: Uint8Array,
  { signers, sealingOf, seen }: ReadingWith,
): Uint8Array {
  const stored = readStatement(p, kind, Stored, statement, signers)
  // A hub that serves one node's connection as another's.
  if (stored.node !== node) throw new OcmError('seal-broken')
  if ((stored.serial ?? 0) < seen) throw new OcmError('ssh-stored-stale')
  return openSealed(p, sealingOf(stored.epoch), kind, { node }, stored.sealed)
}

/** Of a statement that an operator has signed for this node. @throws OcmError 'malformed', 'signature-invalid', 'seal-broken' */
export function storedSerial(
  p: Primitives,
  kind: StoredKind,
  node: string,
  statement: Uint8Array,
  signers: readonly Uint8Array[],
): number {
  const stored = readStatement(p, kind, Stored, statement, signers)
  if (stored.node !== node) throw new OcmError('seal-broken')
  return stored.serial ?? 0
}

/** @throws OcmError 'malformed', 'signature-invalid', 'seal-broken', 'ssh-stored-stale', 'ssh-address-refused' */
export const readConnection = (
  p: Primitives,
  node: string,
  statement: Uint8Array,
  by: ReadingWith,
): SshConnection =>
  checkConnection(
    decodeAs(SshConnection, readStored(p, 'ssh-connection', node, statement, by), 'connection'),
  )

/** @throws OcmError 'malformed', 'signature-invalid', 'seal-broken', 'ssh-stored-stale' */
export const readCredential = (
  p: Primitives,
  node: string,
  statement: Uint8Array,
  by: ReadingWith,
): SshCredential =>
  decodeAs(SshCredential, readStored(p, 'ssh-credential', node, statement, by), 'credential')

/** The hub's own check before it keeps one; it can read neither. @throws OcmError 'malformed', 'signature-invalid' */
export function judgeStored(
  p: Primitives,
  kind: StoredKind,
  node: string,
  statement: Uint8Array,
  signers: readonly Uint8Array[],
): void {
  const stored = readStatement(p, kind, Stored, statement, signers)
  if (stored.node !== node) throw new OcmError('malformed', { what: kind })
}
