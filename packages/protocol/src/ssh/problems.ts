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

/** What docker, podman and the shells before them say. The first that fits: sudo and sh speak of `docker` as well. */
const CONTAINER: readonly (readonly [RegExp, string])[] = [
  [/(?:docker|podman): (?:command )?not found|(?:docker|podman): No such file/i, 'tool'],
  [/exec: "?sh"?: (?:executable file )?not found|`sh` not found/i, 'shell'],
  [/permission denied.*(?:daemon|socket)|cannot connect to the docker daemon/i, 'refused'],
  [/no such container|no container with|is not running|container state improper/i, 'container'],
]

/** Why a connection ended before the agent answered. */
export function sshProblem({ stderr, exitCode, sudo, container }: SshEnd): OcmError {
  // First: podman ends with what ssh itself ends with when the connection is gone.
  const inside = container === true ? CONTAINER.find(([words]) => words.test(stderr)) : undefined
  if (inside) return new OcmError('ssh-container-failed', { why: inside[1] })
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
  if (container === true) return new OcmError('ssh-container-failed', { why: 'unknown' })
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
