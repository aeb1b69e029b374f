/** Names become addresses before ssh sees them, so that one that points into the hub's own cloud is refused unconnected. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { OcmError, type SshConnection, whyNotAddress } from '@ocm/protocol'

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
