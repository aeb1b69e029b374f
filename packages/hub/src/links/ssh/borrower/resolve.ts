/** Names become addresses before ssh sees them, so that one that points into the hub's own cloud is refused unconnected. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { OcmError, type SshConnection, toWireError, whyNotAddress } from '@ocm/protocol'

/**
 * One connection for each address of the host that is dialled from here; the pinned key is the same for all.
 * @throws OcmError 'ssh-address-refused', 'ssh-unreachable'
 */
export async function resolved(connection: SshConnection): Promise<readonly SshConnection[]> {
  const { jump } = connection
  if (jump) {
    const addresses = await addressesOf(jump.host)
    return addresses.map((host) => ({ ...connection, jump: { ...jump, host } }))
  }
  return (await addressesOf(connection.host)).map((host) => ({ ...connection, host }))
}

/**
 * One address after the other until one can be reached. A password that was given to one is given to no other: a host
 * that takes it and hangs up would otherwise be given it as often as its name has addresses.
 * @param attempt calls `spent` when it gives a secret away.
 */
export async function oneByOne(
  ways: readonly SshConnection[],
  attempt: (way: SshConnection, spent: () => void) => Promise<void>,
): Promise<void> {
  let isSpent = false
  for (const [i, way] of ways.entries()) {
    try {
      return await attempt(way, () => (isSpent = true))
    } catch (error) {
      const isOver = isSpent || i === ways.length - 1
      if (isOver || toWireError(error).code !== 'ssh-unreachable') throw error
    }
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  let found: readonly { readonly address: string }[]
  try {
    found = await lookup(host, { all: true })
  } catch (cause) {
    throw new OcmError('ssh-unreachable', { why: 'name' }, { cause })
  }
  for (const { address } of found) {
    const why = whyNotAddress(address)
    if (why !== undefined) throw new OcmError('ssh-address-refused', { what: 'host', why })
  }
  return found.map(({ address }) => address)
}
