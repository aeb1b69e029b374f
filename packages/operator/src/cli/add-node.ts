/** `ocm nodes add`: a node without an agent, reached over ssh. */
import { OcmError, type SshMethod } from '@ocm/protocol'
import { enrolOverSsh } from '../ssh/enrol.ts'
import { endQuietly } from '../ssh/lease.ts'
import { wipe } from '../ssh/lent.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { approveHosts } from './approve-host.ts'
import { type ConnectionOptions, connectionFrom } from './connection-options.ts'
import { type Context, withVault } from './context.ts'
import { type CredentialOptions, askCredential } from './ssh-secrets.ts'

export interface AddOptions extends ConnectionOptions, CredentialOptions {
  readonly label?: string
  readonly hostKey?: readonly string[]
  readonly keepCredential?: boolean
}

/** A key where one was named, else a password: one of them, so that a host is never tried with both. */
export function methodOf({ key, password }: CredentialOptions, env: NodeJS.ProcessEnv): SshMethod {
  if (key !== undefined && password === true) {
    throw new OcmError('wrong-use', { what: 'Give one of --key and --password' })
  }
  if (key !== undefined) return 'key'
  if (password === true) return 'password'
  return (env['OCM_SSH_KEY_FILE'] ?? '') === '' ? 'password' : 'key'
}

export async function addNode(
  context: Context,
  destination: string,
  options: AddOptions,
): Promise<void> {
  const { terminal, ports, known } = context
  if (!known) throw new OcmError('login-needed')
  const method = methodOf(options, terminal.env)
  const wanted = connectionFrom(destination, method, options)
  const label = options.label ?? wanted.host
  let asked: ReturnType<typeof askCredential> | undefined
  const credential = () => (asked ??= askCredential(terminal, wanted.host, wanted, options))
  try {
    const connection = await approveHosts(context, wanted, options.hostKey ?? [], credential)
    const lent = await credential()
    await withVault(context, async (opened) => {
      const { unlocked } = await confirmNodes(ports, opened)
      const keep = options.keepCredential ?? false
      const wish = { label, connection, credential: lent, keep }
      const { node, lease } = await enrolOverSsh(ports, unlocked, wish, ({ state }) => {
        if (state === 'dialling') terminal.say(`Connecting to ${wanted.host}.`)
        if (state === 'connected') terminal.say('Connected; the agent joins.')
      })
      await endQuietly(ports.api, lease.id)
      const kept = keep ? ' Its credential is stored, sealed to the vault.' : ''
      terminal.result(
        { ...node, hostKeys: connection.hostKeys },
        `${node.label} is a node, confirmed by the vault, and reached over ssh.${kept}\n` +
          `Back it up: ocm backup ${node.label}     To give it an agent of its own: ocm nodes adopt ${node.label}`,
      )
    })
  } finally {
    const lent = await asked?.catch(() => undefined)
    if (lent !== undefined) wipe(lent)
  }
}
