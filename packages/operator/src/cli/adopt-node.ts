/** `ocm nodes adopt`: a node that is reached over ssh gets an agent of its own, and stays the node it is. */
import { OcmError } from '@ocm/protocol'
import { adopt } from '../ssh/adopt.ts'
import { type Context, withVault } from './context.ts'
import { lenderAt } from './lending.ts'
import { nodeNamed } from './names.ts'
import { hubUrl, isLoopback } from './settings.ts'
import type { CredentialOptions } from './ssh-secrets.ts'

export interface AdoptOptions extends CredentialOptions {
  readonly address?: readonly string[]
}

export async function adoptNode(
  context: Context,
  name: string,
  options: AdoptOptions,
): Promise<void> {
  const { terminal, ports } = context
  const urls = options.address?.map(hubUrl) ?? [ports.api.url]
  const node = await nodeNamed(ports.api, name)
  if (node.reach !== 'ssh') throw new OcmError('node-not-ssh')
  if (options.address === undefined && isLoopback(ports.api.url)) {
    terminal.say(
      `Its agent will dial ${ports.api.url}, which a node on another machine does not reach; --address names another.`,
    )
  }
  const sure = await terminal.approve(`Install the agent on ${node.label}? It keeps running there.`)
  if (!sure) throw new OcmError('declined')
  await withVault(context, async (unlocked) => {
    const lender = lenderAt(context, unlocked, options)
    try {
      await lender.connect([node.id])
      const { lingers, node: adopted } = await adopt(ports, node.id, urls)
      const note = lingers
        ? ''
        : '\nIt stops when nobody is logged in there, until root allows it: loginctl enable-linger ACCOUNT'
      terminal.result(
        { ...adopted, lingers },
        `${node.label} has an agent of its own, and its history goes on.${note}`,
      )
    } finally {
      await lender.close()
    }
  })
}
