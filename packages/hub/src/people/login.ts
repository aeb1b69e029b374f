import { type LoginRequest, OcmError } from '@ocm/protocol'
import type { Passwords } from './password.ts'
import type { Audit, Operator, PeopleCatalog } from './ports.ts'
import { householdOf, type Throttle } from './throttle.ts'

/** Names that look the same are the same account. */
export const nameKeyOf = (name: string): string => name.normalize('NFKC').trim().toLowerCase()

export interface LoginNeeds {
  readonly people: PeopleCatalog
  readonly audit: Audit
  readonly passwords: Passwords
  /** Of this address and account together, and of the address alone. */
  readonly throttle: { readonly pair: Throttle; readonly address: Throttle }
  readonly now: () => number
}

/** @throws OcmError 'login-failed' (whichever of the two is wrong) or 'too-many-requests' */
export async function login(
  { people, audit, passwords, throttle, now }: LoginNeeds,
  request: LoginRequest,
  address: string,
): Promise<Operator> {
  const nameKey = nameKeyOf(request.name)
  const household = householdOf(address)
  const pair = `${household} ${nameKey}`
  throttle.address.check(household)
  throttle.pair.check(pair)
  // Counted before the slow check: guesses sent all at once would otherwise all be let in.
  throttle.address.failed(household)
  throttle.pair.failed(pair)
  const account = await people.accountNamed(nameKey)
  if (!(await passwords.verify(request.password, account?.password)) || !account) {
    await audit.note({
      at: now(),
      actor: account?.name ?? '',
      action: 'login-failed',
      subject: household,
    })
    throw new OcmError('login-failed')
  }
  throttle.address.succeeded(household)
  throttle.pair.succeeded(pair)
  await audit.note({ at: now(), actor: account.name, action: 'login', subject: household })
  return { id: account.id, name: account.name }
}
