/** Leases: a borrower process at the hub is asked for, what it needs is sealed to its key, and it is watched until it is connected. */
import {
  OcmError,
  type SshConnection,
  type SshCredential,
  type SshLease,
  type SshLent,
  base64url,
  fromBase64url,
  fromWireError,
  sealLent,
} from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { plainFacts } from '../api/facts.ts'
import type { Ports } from '../ports.ts'
import { eitherOf } from '../work/follow.ts'
import { lentOf } from './lent.ts'

/** How often to ask although nothing was said: an event may be lost with its connection. */
const ASK_AGAIN_MS = 1000

export const lasts = ({ state }: Pick<SshLease, 'state'>): boolean =>
  state === 'asked' || state === 'dialling' || state === 'connected'

/** Why it ended badly. @throws OcmError */
export function connectedOrThrow(lease: SshLease): SshLease {
  const { state, problem } = lease
  if (state === 'connected' || (state === 'released' && problem === null)) return lease
  if (problem === null) throw new OcmError('ssh-lease-ended')
  throw fromWireError({ code: problem.code, facts: plainFacts(problem.facts) })
}

/**
 * What keys a host shows. Nothing is sent there but what a look needs: to a host behind another, the credential for that one.
 * @returns lines as `hostKeys` of a connection has them.
 * @throws OcmError 'ssh-unreachable', 'ssh-address-refused', …
 */
export async function lookAt(
  ports: Ports,
  connection: SshConnection,
  credential?: SshCredential,
): Promise<readonly string[]> {
  const ended = await lend(ports, { node: null, purpose: 'look' }, lentOf(connection, credential))
  const { hostKeys } = connectedOrThrow(ended)
  if (hostKeys.length === 0) throw new OcmError('ssh-unreachable', { why: 'closed' })
  return hostKeys
}

/**
 * Lends for one lease and waits until the borrower has connected, or could not.
 * @returns the lease as it is then: 'connected', or ended.
 */
export async function lend(
  { p, api }: Ports,
  request: { readonly node: string | null; readonly purpose: SshLease['purpose'] },
  lent: SshLent,
  onChange: (lease: SshLease) => void = () => undefined,
): Promise<SshLease> {
  const { lease, key } = await api.askLease(request)
  try {
    const sealed = sealLent(p, fromBase64url(key), lease, lent)
    onChange(await api.lendTo(lease, base64url(sealed)))
    return await settled(api, lease, onChange)
  } catch (error) {
    // Nobody watches it any more.
    await api.endLease(lease).catch(() => undefined)
    throw error
  }
}

/** Answers when it has connected or ended. */
async function settled(
  api: ApiClient,
  id: string,
  onChange: (lease: SshLease) => void,
): Promise<SshLease> {
  let wake: (() => void) | undefined
  const end = api.live({
    onConnect: () => wake?.(),
    onEvent: (event) => {
      if (event.kind === 'lease-changed') wake?.()
    },
  })
  try {
    let told = ''
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const lease = (await api.leases()).find((one) => one.id === id)
      if (lease === undefined) throw new OcmError('ssh-lease-ended')
      const text = JSON.stringify(lease)
      if (text !== told) onChange(lease)
      told = text
      if (lease.state !== 'asked' && lease.state !== 'dialling') return lease
      await eitherOf(woken, ASK_AGAIN_MS)
    }
  } finally {
    end()
  }
}

/** One that has ended by itself is as it should be. */
export async function endQuietly(api: ApiClient, id: string): Promise<void> {
  const lease = (await api.leases()).find((one) => one.id === id)
  if (lease !== undefined && lasts(lease)) await api.endLease(id)
}
