/** Set-up: the one time that somebody who is nobody yet may write. */
import {
  decodeAs,
  equal,
  fromBase64url,
  OcmError,
  type Primitives,
  readVaultRecord,
  type SetupRequest,
  Slot,
  utf8,
} from '@ocm/protocol'
import { nameKeyOf } from './login.ts'
import type { Passwords } from './password.ts'
import type { Audit, Operator, PeopleCatalog } from './ports.ts'
import { householdOf, type Throttle } from './throttle.ts'

export interface SetupNeeds {
  readonly p: Primitives
  readonly people: PeopleCatalog
  readonly audit: Audit
  readonly passwords: Passwords
  readonly throttle: Throttle
  readonly hubKey: Uint8Array
  readonly now: () => number
  /** SHA-256 of the secret in the set-up link. */
  readonly secretHash: () => Uint8Array | undefined
  /** Takes the vault up and removes the set-up link from the disk. */
  readonly closed: () => Promise<void>
}

/** @throws OcmError 'setup-closed', 'setup-link-invalid', 'too-many-requests', 'malformed', 'signature-invalid' */
export async function setUp(
  needs: SetupNeeds,
  request: SetupRequest,
  address: string,
): Promise<Operator> {
  const { p, people, audit, passwords, throttle, now } = needs
  if (await people.isSetUp()) throw new OcmError('setup-closed')
  const household = householdOf(address)
  throttle.check(household)
  const hash = needs.secretHash()
  if (!hash || !equal(p.sha256(utf8(request.secret)), hash)) {
    throttle.failed(household)
    throw new OcmError('setup-link-invalid')
  }

  const name = request.name.trim()
  if (name === '') throw new OcmError('malformed', { what: 'name' })
  const root = bytesOf(request.root, 'vault root')
  const recordBytes = bytesOf(request.record, 'vault record')
  const record = readVaultRecord(p, root, recordBytes, 1)
  const [operator, another] = record.operators
  const slots = request.slots.map(({ kind, operator: of, slot }) => {
    const bytes = bytesOf(slot, 'slot')
    const inside = decodeAs(Slot, bytes, 'slot')
    const same =
      inside.kind === kind && (inside.kind === 'passphrase' ? inside.operator : null) === of
    if (!same) throw new OcmError('malformed', { what: 'slot' })
    return { kind, operator: of, bytes }
  })
  const fits =
    record.serial === 1 &&
    operator !== undefined &&
    another === undefined &&
    record.hubs.some((hub) => equal(hub, needs.hubKey)) &&
    slots.some((slot) => slot.kind === 'passphrase' && slot.operator === operator.id) &&
    slots.some((slot) => slot.kind === 'recovery')
  if (!fits) throw new OcmError('malformed', { what: 'vault record' })

  const password = await passwords.hash(request.password)
  const done = await people.setUp({
    operator: { id: operator.id, name, nameKey: nameKeyOf(name), password },
    root,
    record: { serial: record.serial, bytes: recordBytes },
    slots,
    at: now(),
  })
  if (!done) throw new OcmError('setup-closed')
  await needs.closed()
  await audit.note({ at: now(), actor: name, action: 'setup', subject: household })
  return { id: operator.id, name }
}

function bytesOf(text: string, what: string): Uint8Array {
  try {
    return fromBase64url(text)
  } catch (cause) {
    throw new OcmError('malformed', { what }, { cause })
  }
}
