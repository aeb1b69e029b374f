/** `ocm nodes delegate`: the one way a schedule runs on a node without an agent while nobody is there. */
import { OcmError } from '@ocm/protocol'
import { wipe } from '../ssh/lent.ts'
import {
  connectionIn,
  credentialIn,
  DELEGATION_GIVES_UP,
  delegate,
  endDelegation,
} from '../ssh/stored.ts'
import { type Context, withVault } from './context.ts'
import { nodeNamed } from './names.ts'
import { type CredentialOptions, askCredential } from './ssh-secrets.ts'

export interface DelegateOptions extends CredentialOptions {
  readonly end?: boolean
}

export async function delegateNode(
  context: Context,
  name: string,
  options: DelegateOptions,
): Promise<void> {
  const { terminal, ports } = context
  const node = await nodeNamed(ports.api, name)
  if (node.reach !== 'ssh') throw new OcmError('node-not-ssh')
  if (options.end === true) {
    await endDelegation(ports, node.id)
    return terminal.result(
      { id: node.id, delegated: false },
      `The hub logs in to ${node.label} by itself no longer. Change its password or key there: the hub has known it.`,
    )
  }
  terminal.say(`\nYou let the hub log in to ${node.label} by itself. What that gives up:\n`)
  for (const line of DELEGATION_GIVES_UP) terminal.say(`  - ${line}`)
  terminal.say('')
  if (!(await terminal.approve(`Delegate ${node.label} to the hub?`)))
    throw new OcmError('declined')
  await withVault(context, async (unlocked) => {
    const stored = await ports.api.sshOf(node.id)
    const connection = await connectionIn(ports, unlocked, node.id, stored)
    if (connection === undefined) throw new OcmError('ssh-host-key-unknown')
    const credential =
      (await credentialIn(ports, unlocked, node.id, stored)) ??
      (await askCredential(terminal, node.label, connection, options))
    try {
      await delegate(ports, unlocked, node.id, credential, stored)
    } finally {
      wipe(credential)
    }
    terminal.result(
      { id: node.id, delegated: true },
      `${node.label} is delegated. Take it back: ocm nodes delegate ${node.label} --end`,
    )
  })
}
