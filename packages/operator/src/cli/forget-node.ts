/** `ocm nodes forget`: what OCM has on a node without an agent is removed there, and the node is retired. */
import { OcmError } from '@ocm/protocol'
import { forget } from '../ssh/forget.ts'
import { type Context, withVault } from './context.ts'
import { lenderAt } from './lending.ts'
import { nodeNamed } from './names.ts'
import type { CredentialOptions } from './ssh-secrets.ts'

export async function forgetNode(
  context: Context,
  name: string,
  options: CredentialOptions,
): Promise<void> {
  const { terminal, ports } = context
  const node = await nodeNamed(ports.api, name)
  if (node.reach !== 'ssh') throw new OcmError('node-not-ssh')
  terminal.say(
    `The agent's directory on ${node.label} is removed: its identity, its journal, what it remembers; and what lay there ` +
      'before the last apply, which cannot be undone any more. How it is reached is forgotten too. Its snapshots stay.',
  )
  const sure = await terminal.approve(`Forget ${node.label}?`)
  if (!sure) throw new OcmError('declined')
  await withVault(context, async (unlocked) => {
    const lender = lenderAt(context, unlocked, options)
    try {
      await lender.connect([node.id])
      const kept = await forget(ports, unlocked, node)
      terminal.result(
        { id: node.id, label: node.label, state: 'revoked', kept },
        `${node.label} is forgotten. ${kept === 0 ? 'Nothing of OCM is left there.' : whatIsLeft}`,
      )
    } finally {
      await lender.close()
    }
  })
}

const whatIsLeft =
  'What was put aside there is left, its credentials too: beside its state directory *.ocm-fenced-* and *.ocm-fenced.json, ' +
  'what it was before it was moved away, and *.ocm-stray-*, what somebody had put in the way. Remove it when nobody needs it.'
