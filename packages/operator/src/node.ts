/** The library with what Node brings along: its crypto, its fetch, sockets that send headers, a file to remember in. */
import { base64url, readCertificatePin } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { WebSocket } from 'ws'
import { ApiClient } from './api/client.ts'
import { bytesFetcher } from './node/fetch-bytes.ts'
import { fileMemory } from './node/file-memory.ts'
import { pinned, pinnedFetch } from './node/pinned.ts'
import { volatileMemory } from './vault/memory.ts'
import type { Ports } from './ports.ts'

export { fileMemory } from './node/file-memory.ts'

export interface NodeOptions {
  readonly url: string
  /** An API token; without one, log in with `api.login`. */
  readonly token?: string
  /** The fingerprint of the only certificate to be taken; without it, what an authority vouches for. */
  readonly certificate?: string
  /** Where to remember what was seen; not beyond this process when it is not given. */
  readonly memory?: string
}

export function connect({ url, token, memory, certificate }: NodeOptions): Ports {
  const isPinned = certificate !== undefined && url.startsWith('https:')
  const createConnection = isPinned ? { createConnection: pinned(certificate) as never } : {}
  return {
    p: nodePrimitives,
    api: new ApiClient({
      url,
      fetch: isPinned ? pinnedFetch(certificate) : fetch,
      fetchBytes: bytesFetcher(certificate),
      openSocket: (address, headers) => new WebSocket(address, { headers, ...createConnection }),
      ...(isPinned ? { certificate: base64url(readCertificatePin(certificate)) } : {}),
      ...(token === undefined ? {} : { token }),
    }),
    memory: memory === undefined ? volatileMemory() : fileMemory(memory),
    now: Date.now,
  }
}
