/** How a node is reached, as it is typed. */
import {
  OcmError,
  type SshConnection,
  type SshHop,
  type SshMethod,
  checkConnection,
  readDestination,
} from '@ocm/protocol'

export interface ConnectionOptions {
  readonly jump?: string
  readonly sudoUser?: string
  /** sudo asks for a password. */
  readonly sudoPassword?: boolean
  /** NAME, docker:NAME or podman:NAME. */
  readonly container?: string
  readonly containerUser?: string
  readonly openclawHome?: string
  readonly openclawBin?: string
  readonly profile?: string
}

/**
 * Without host keys yet.
 * @throws OcmError 'ssh-address-refused', 'wrong-use', 'malformed'
 */
export function connectionFrom(
  destination: string,
  method: SshMethod,
  options: ConnectionOptions,
): SshConnection {
  const { jump, sudoUser, sudoPassword, container, containerUser } = options
  if (sudoUser === undefined && sudoPassword === true) {
    throw new OcmError('wrong-use', { what: '--sudo-password goes with --sudo-user' })
  }
  if (container === undefined && containerUser !== undefined) {
    throw new OcmError('wrong-use', { what: '--container-user goes with --container' })
  }
  const { openclawHome, openclawBin, profile } = options
  for (const path of [openclawHome, openclawBin]) {
    if (path?.startsWith('/') === false) {
      throw new OcmError('wrong-use', { what: '--openclaw-home and --openclaw-bin are absolute' })
    }
  }
  return checkConnection({
    v: 1,
    ...hopFrom(destination, 'The node'),
    method,
    ...(jump === undefined ? {} : { jump: hopFrom(jump, '--jump') }),
    ...(sudoUser === undefined
      ? {}
      : { sudo: { user: sudoUser, password: sudoPassword === true } }),
    ...(container === undefined ? {} : { container: containerFrom(container, containerUser) }),
    ...(openclawHome === undefined ? {} : { openclawHome }),
    ...(openclawBin === undefined ? {} : { openclawBin }),
    ...(profile === undefined ? {} : { profile }),
  })
}

function hopFrom(text: string, what: string): SshHop {
  const { host, port, user } = readDestination(text)
  if (user === undefined) {
    throw new OcmError('wrong-use', { what: `${what} is named as USER@HOST or USER@HOST:PORT` })
  }
  return { host, port, user, hostKeys: [] }
}

function containerFrom(text: string, user: string | undefined) {
  const [, tool = 'docker', name = ''] = /^(?:(docker|podman):)?([^:]+)$/.exec(text) ?? []
  if (name === '') {
    throw new OcmError('wrong-use', { what: '--container takes NAME, docker:NAME or podman:NAME' })
  }
  return {
    tool: tool as 'docker' | 'podman',
    name,
    ...(user === undefined ? {} : { user }),
  }
}
