/** First contact: what key a host shows, and that a person says it is that host's. */
import {
  OcmError,
  type SshConnection,
  type SshCredential,
  type SshHop,
  hostKeyFingerprint,
  writeDestination,
} from '@ocm/protocol'
import { lookAt } from '../ssh/lease.ts'
import type { Context } from './context.ts'

/** How a host is looked at: through the hub, or with this machine's own ssh. */
export type Look = (
  connection: SshConnection,
  credential?: SshCredential,
) => Promise<readonly string[]>

type Looking = Context & { readonly look?: Look }

/**
 * @param approved fingerprints that were compared before, `SHA256:…`.
 * @param credential for a look at a host behind another.
 * @returns the connection with what is pinned from now on, also of the host on the way.
 * @throws OcmError 'declined', 'ssh-host-key-changed' when none of `approved` is shown, 'wrong-use'
 */
export async function approveHosts(
  context: Looking,
  connection: SshConnection,
  approved: readonly string[],
  credential?: () => Promise<SshCredential>,
): Promise<SshConnection> {
  const { jump } = connection
  if (jump === undefined)
    return { ...connection, ...(await approve(context, connection, approved)) }
  const { host, port, user } = jump
  const first: SshConnection = {
    v: 1,
    method: connection.method,
    host,
    port,
    user,
    hostKeys: [],
  }
  const pinned = { ...connection, jump: await approve(context, first, approved) }
  return { ...pinned, ...(await approve(context, pinned, approved, await credential?.())) }
}

async function approve(
  { terminal, ports, yes, look = (...at) => lookAt(ports, ...at) }: Looking,
  connection: SshConnection,
  approved: readonly string[],
  credential?: SshCredential,
): Promise<SshHop> {
  const at = writeDestination(connection)
  terminal.say(`Looking at the host key of ${connection.host}.`)
  const hostKeys = await look(connection, credential)
  const shown = hostKeys.map((key) => [key.split(' ')[0] ?? '', hostKeyFingerprint(ports.p, key)])
  if (approved.length > 0) {
    const known = hostKeys.filter((_, n) => approved.includes(shown[n]?.[1] ?? ''))
    if (known.length === 0) throw new OcmError('ssh-host-key-changed')
    return hopOf(connection, known)
  }
  terminal.say(`\n${at} shows\n\n${shown.map(([kind, text]) => `  ${text}  ${kind}`).join('\n')}\n`)
  terminal.say(
    'Compare it on the console of that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n',
  )
  // What somebody in between shows is approved as easily as what the host shows, if nobody compares.
  if (yes)
    throw new OcmError('wrong-use', { what: '--yes goes with --host-key SHA256:…, compared' })
  if (!(await terminal.approve('Is it the same?'))) throw new OcmError('declined')
  return hopOf(connection, hostKeys)
}

const hopOf = ({ host, port, user }: SshHop, hostKeys: readonly string[]): SshHop => ({
  host,
  port,
  user,
  hostKeys: [...hostKeys],
})
