/** `ocm nodes ssh`: how a node is reached, and changing it. */
import {
  OcmError,
  type SshConnection,
  type SshCredential,
  hostKeyFingerprint,
  writeDestination,
} from '@ocm/protocol'
import type { Unlocked } from '../vault/unlock.ts'
import { wipe } from '../ssh/lent.ts'
import { keepConnection, keepCredential, openConnection } from '../ssh/stored.ts'
import { methodOf } from './add-node.ts'
import { approveHosts } from './approve-host.ts'
import { type ConnectionOptions, connectionFrom } from './connection-options.ts'
import { type Context, withVault } from './context.ts'
import { time } from './format.ts'
import { nodeNamed } from './names.ts'
import { type CredentialOptions, askCredential } from './ssh-secrets.ts'

export interface ReachOptions extends ConnectionOptions, CredentialOptions {
  readonly hostKey?: readonly string[]
  readonly lookAgain?: boolean
  readonly keepCredential?: boolean
  readonly dropCredential?: boolean
}

export async function reachNode(
  context: Context,
  name: string,
  destination: string | undefined,
  options: ReachOptions,
): Promise<void> {
  const { terminal, ports } = context
  const node = await nodeNamed(ports.api, name)
  await withVault(context, async (unlocked) => {
    const wanted =
      destination === undefined
        ? await openConnection(ports, unlocked, node.id)
        : connectionFrom(destination, methodOf(options, terminal.env), options)
    if (wanted === undefined) throw new OcmError('node-not-ssh')
    const connection = await change(context, unlocked, node, wanted, destination, options)
    const { credential, delegation } = await ports.api.sshOf(node.id)
    terminal.result(
      { node: node.id, connection, credential: credential !== null, delegation },
      [
        `${node.label} is reached as ${writeDestination(connection)}, with a ${connection.method}.`,
        ...connection.hostKeys.map((key) => `  host key  ${hostKeyFingerprint(ports.p, key)}`),
        ...(connection.jump ? [`  through   ${writeDestination(connection.jump)}`] : []),
        ...(connection.sudo ? [`  account   ${connection.sudo.user}, by sudo`] : []),
        ...(connection.container
          ? [`  container ${connection.container.name} (${connection.container.tool})`]
          : []),
        credential === null
          ? 'Its credential is asked for each time.'
          : 'Its credential is stored, sealed to the vault.',
        ...(delegation === null
          ? []
          : [`DELEGATED to the hub by ${delegation.by} since ${time(delegation.since)}.`]),
      ].join('\n'),
    )
  })
}

async function change(
  context: Context,
  unlocked: Unlocked,
  node: { readonly id: string; readonly label: string },
  wanted: SshConnection,
  destination: string | undefined,
  options: ReachOptions,
): Promise<SshConnection> {
  const { terminal, ports } = context
  let asked: Promise<SshCredential> | undefined
  const credential = () => (asked ??= askCredential(terminal, node.label, wanted, options))
  try {
    let connection = wanted
    if (destination !== undefined || options.lookAgain === true) {
      connection = await approveHosts(context, wanted, options.hostKey ?? [], credential)
      await keepConnection(ports, unlocked, node.id, connection)
    }
    if (options.dropCredential === true) await keepCredential(ports, unlocked, node.id, null)
    if (options.keepCredential === true) {
      await keepCredential(ports, unlocked, node.id, await credential())
    }
    return connection
  } finally {
    const lent = await asked?.catch(() => undefined)
    if (lent !== undefined) wipe(lent)
  }
}
