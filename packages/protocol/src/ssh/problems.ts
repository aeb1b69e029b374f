/** What it means that ssh ended: its own words, which are English whatever the locale, become a code with a next step. */
import { OcmError, fromWireError } from '../errors.ts'
import type { Stage0Said } from './marker.ts'

export interface SshEnd {
  /** The last kilobytes of its standard error. */
  readonly stderr: string
  /** Null when it was ended by a signal. */
  readonly exitCode: number | null
  /** The connection goes through sudo, or into a container. */
  readonly sudo?: boolean
  readonly container?: boolean
}

const WORDS: readonly (readonly [RegExp, () => OcmError])[] = [
  [/REMOTE HOST IDENTIFICATION HAS CHANGED/i, () => new OcmError('ssh-host-key-changed')],
  // With a pinned key there is no other reason: another key, or another kind of key.
  [
    /Host key verification failed|No .* host key is known/i,
    () => new OcmError('ssh-host-key-changed'),
  ],
  [/no matching host key type found/i, () => new OcmError('ssh-host-key-changed')],
  [/no matching (?:key exchange method|cipher|MAC) found/i, () => new OcmError('ssh-too-weak')],
  [/Permission denied|Too many authentication failures/i, () => new OcmError('ssh-auth-failed')],
  [/Could not resolve hostname/i, () => new OcmError('ssh-unreachable', { why: 'name' })],
  [/Connection refused/i, () => new OcmError('ssh-unreachable', { why: 'refused' })],
  [/timed out|Timeout/i, () => new OcmError('ssh-unreachable', { why: 'timeout' })],
  [
    /No route to host|Network is unreachable|kex_exchange_identification|Connection (?:closed|reset)|banner exchange/i,
    () => new OcmError('ssh-unreachable', { why: 'closed' }),
  ],
]

/** Why a connection ended before the agent answered. */
export function sshProblem({ stderr, exitCode, sudo, container }: SshEnd): OcmError {
  if (exitCode === 255 || exitCode === null) {
    const known = WORDS.find(([words]) => words.test(stderr))
    if (known) return known[1]()
    return new OcmError('ssh-unreachable', { why: 'closed' })
  }
  // ssh came through: it answers what was run there.
  if (sudo === true && /sudo|password|sorry/i.test(stderr)) {
    const missing = /not found|no such file/i.test(stderr)
    return new OcmError('ssh-sudo-failed', { why: missing ? 'missing' : 'refused' })
  }
  if (container === true) return new OcmError('ssh-container-failed')
  return new OcmError('ssh-no-answer', { exit: exitCode })
}

/** A word of stage 0 that is the end of it. Undefined for one that is not. */
export function stage0Problem(said: Stage0Said): OcmError | undefined {
  switch (said.word) {
    case 'no-node':
      return new OcmError('ssh-no-node', { found: said.found.join(', ') })
    case 'no-place':
      return new OcmError('ssh-no-place')
    case 'bad-bundle':
      return new OcmError('ssh-bundle-altered')
    case 'failed':
      return fromWireError({ code: said.code, facts: {} })
    default:
      return undefined
  }
}
