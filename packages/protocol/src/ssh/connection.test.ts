import { expect, it } from 'vitest'
import { utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import { newId } from '../ids.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { sealTo } from '../sealing.ts'
import { makeStatement } from '../statements.ts'
import {
  type SshConnection,
  type SshLent,
  judgeStored,
  openDelegation,
  openLent,
  readConnection,
  readCredential,
  sealDelegation,
  sealLent,
  storeConnection,
  storeCredential,
  storedSerial,
} from './connection.ts'
import { checkHostKey, hostKeyFingerprint } from './host-key.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
const connection: SshConnection = {
  v: 1,
  host: 'node.example',
  port: 22,
  user: 'claw',
  hostKeys: [KEY],
  method: 'password',
}
const lent: SshLent = { v: 1, connection, auth: { kind: 'password', password: utf8('word') } }
const node = newId(p)
const lease = newId(p)
const borrower = p.x25519Pair()

it('a loan opens for one borrower and one lease', () => {
  const sealed = sealLent(p, borrower.public, lease, lent)
  expect(openLent(p, borrower, lease, sealed)).toEqual(lent)
  expect(() => openLent(p, borrower, newId(p), sealed)).toThrow(/does not open/)
  expect(() => openLent(p, p.x25519Pair(), lease, sealed)).toThrow(/does not open/)
})

it('a loan to an address that is refused does not open', () => {
  const bad = { ...lent, connection: { ...connection, host: '169.254.169.254' } }
  const sealed = sealLent(p, borrower.public, lease, bad)
  expect(() => openLent(p, borrower, lease, sealed)).toThrow(/is refused/)
})

it('a delegation is for one node, and is not a loan', () => {
  const sealed = sealDelegation(p, borrower.public, node, lent)
  expect(openDelegation(p, borrower, node, sealed)).toEqual(lent)
  expect(() => openDelegation(p, borrower, newId(p), sealed)).toThrow(/does not open/)
  expect(() => openLent(p, borrower, node, sealed)).toThrow(/does not open/)
})

it('what is stored is read by whoever opens the vault, if an operator signed it for this node', () => {
  const sealing = p.x25519Pair()
  const signer = p.ed25519Pair()
  const by = { sealing: sealing.public, epoch: 3, serial: 4, signer }
  const reading = { signers: [signer.public], sealingOf: () => sealing, seen: 4 }
  const statement = storeConnection(p, node, connection, by)
  expect(readConnection(p, node, statement, reading)).toEqual(connection)
  judgeStored(p, 'ssh-connection', node, statement, [signer.public])
  expect(() => readConnection(p, newId(p), statement, reading)).toThrow(/does not open/)
  const others = { ...reading, signers: [p.ed25519Pair().public] }
  expect(() => readConnection(p, node, statement, others)).toThrow(/signature/)
  const credential = { v: 1 as const, auth: { kind: 'key' as const, key: utf8('key') } }
  const kept = storeCredential(p, node, credential, by)
  expect(readCredential(p, node, kept, reading)).toEqual(credential)
  expect(() => readConnection(p, node, kept, reading)).toThrow(/signature/)
})

it('what is stored is older than what was seen when its number is lower, and one without has the lowest', () => {
  const sealing = p.x25519Pair()
  const signer = p.ed25519Pair()
  const by = { sealing: sealing.public, epoch: 3, serial: 4, signer }
  const reading = (seen: number) => ({
    signers: [signer.public],
    sealingOf: () => sealing,
    seen,
  })
  const statement = storeConnection(p, node, connection, by)
  expect(storedSerial(p, 'ssh-connection', node, statement, [signer.public])).toBe(4)
  const stale = expect.objectContaining({ code: 'ssh-stored-stale' })
  expect(() => readConnection(p, node, statement, reading(5))).toThrow(stale)
  const credential = { v: 1 as const, auth: { kind: 'key' as const, key: utf8('key') } }
  const kept = storeCredential(p, node, credential, by)
  expect(() => readCredential(p, node, kept, reading(5))).toThrow(stale)
  const sealed = sealTo(p, [sealing.public], 'ssh-connection', { node }, toCbor(connection))
  const former = makeStatement(p, 'ssh-connection', { v: 1, node, epoch: 3, sealed }, signer)
  expect(readConnection(p, node, former, reading(0))).toEqual(connection)
  expect(() => readConnection(p, node, former, reading(1))).toThrow(stale)
  const others = [p.ed25519Pair().public]
  expect(() => storedSerial(p, 'ssh-connection', node, statement, others)).toThrow(/signature/)
})

it('shows the fingerprint that ssh shows', () => {
  expect(hostKeyFingerprint(p, KEY)).toBe('SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU')
})

it.each([
  'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl',
  'ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==',
  'ssh-ed25519 short',
  'ssh-ed25519',
  `* ${KEY}`,
  `${KEY}\n@cert-authority * ${KEY}`,
])('%j is no host key', (line) => {
  expect(() => checkHostKey(line)).toThrow(/not well-formed/)
})
