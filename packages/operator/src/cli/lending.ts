/** Asking for credentials at a terminal, when a node of an operation is reached over ssh. */
import type { NodeState } from '@ocm/protocol'
import { type Lender, createLender } from '../ssh/lender.ts'
import type { Unlocked } from '../vault/unlock.ts'
import type { Context } from './context.ts'
import { sayError } from './say-error.ts'
import { type CredentialOptions, askCredential } from './ssh-secrets.ts'

export function lenderAt(
  { terminal, ports }: Context,
  unlocked: Unlocked,
  options: CredentialOptions = {},
): Lender {
  return createLender(ports, unlocked, {
    credential: (node, connection) => askCredential(terminal, node.label, connection, options),
    onLease: ({ label }, { state }) => {
      if (state === 'dialling') terminal.say(`Connecting to ${label}.`)
      if (state === 'connected') terminal.say(`Connected to ${label}. The credential is lent.`)
    },
    onFailed: ({ label }, error) => {
      terminal.say(`The job waits for ${label}, which could not be connected again:`)
      sayError(terminal, error)
      terminal.say(`Lend again from elsewhere, and it goes on: ocm lend ${label}`)
    },
  })
}

/** Reached over ssh, and not connected at this moment. */
export const isToBeLent = ({ reach, online }: Pick<NodeState, 'reach' | 'online'>): boolean =>
  reach === 'ssh' && !online
