/** The directory of one connection: what is pinned, and nothing secret. Its path is one that ssh's options can hold. */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SshConnection, type SshPlaces, knownHosts } from '@ocm/protocol'

export interface Place {
  readonly path: string
  readonly places: SshPlaces
  remove(): Promise<void>
}

export async function placeFor(connection: SshConnection): Promise<Place> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'ocm-dial-')))
  const file = join(path, 'known_hosts')
  await writeFile(file, knownHosts(connection), { mode: 0o600 })
  return {
    path,
    places: { knownHosts: file },
    remove: () => rm(path, { recursive: true, force: true }),
  }
}
