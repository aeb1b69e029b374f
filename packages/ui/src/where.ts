/** Where a node is and as whom one logs in there: as it is typed, and as it is stored. */
import {
  OcmError,
  type SshConnection,
  type SshHop,
  checkConnection,
  readDestination,
  writeDestination,
} from '@ocm/protocol'

/** As it is typed. */
export interface Where {
  label: string
  /** user@host, user@host:port */
  destination: string
  jump: string
  sudoUser: string
  sudoAsks: boolean
  container: string
  tool: 'docker' | 'podman'
  /** Where OpenClaw is, when it is not found by itself. */
  openclawHome: string
  openclawBin: string
}

/**
 * @param known how it was reached before: what is not asked for stays.
 * @throws OcmError 'ssh-address-refused'
 */
export function connectionFrom(typed: Where, known?: SshConnection): SshConnection {
  const { destination, jump, sudoUser, sudoAsks, container, tool } = typed
  const [sudo, name] = [sudoUser.trim(), container.trim()]
  const [openclawHome, openclawBin] = [typed.openclawHome.trim(), typed.openclawBin.trim()]
  for (const path of [openclawHome, openclawBin]) {
    if (path !== '' && !path.startsWith('/')) {
      throw new OcmError('ssh-address-refused', { what: 'path', why: 'grammar' })
    }
  }
  const { profile, container: before } = known ?? {}
  const user = before?.name === name ? before.user : undefined
  return checkConnection({
    v: 1,
    ...hopFrom(destination),
    method: known?.method ?? 'password',
    ...(jump.trim() === '' ? {} : { jump: hopFrom(jump) }),
    ...(sudo === '' ? {} : { sudo: { user: sudo, password: sudoAsks } }),
    ...(openclawHome === '' ? {} : { openclawHome }),
    ...(openclawBin === '' ? {} : { openclawBin }),
    ...(name === '' ? {} : { container: { tool, name, ...(user === undefined ? {} : { user }) } }),
    ...(profile === undefined ? {} : { profile }),
  })
}

/** A change begins with what holds today. */
export const whereOf = (known: SshConnection): Omit<Where, 'label'> => ({
  destination: writeDestination(known),
  jump: known.jump ? writeDestination(known.jump) : '',
  sudoUser: known.sudo?.user ?? '',
  sudoAsks: known.sudo?.password ?? false,
  container: known.container?.name ?? '',
  tool: known.container?.tool ?? 'docker',
  openclawHome: known.openclawHome ?? '',
  openclawBin: known.openclawBin ?? '',
})

function hopFrom(text: string): SshHop {
  const { host, port, user } = readDestination(text.trim())
  if (user === undefined) throw new OcmError('ssh-address-refused', { what: 'user', why: 'empty' })
  return { host, port, user, hostKeys: [] }
}
