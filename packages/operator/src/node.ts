/** The library with what Node brings along: its crypto, its fetch, sockets that send headers, a file to remember in. */
import { nodePrimitives } from '@ocm/protocol/node'
import { WebSocket } from 'ws'
import { ApiClient } from './api/client.ts'
import { bytesFetcher } from './node/fetch-bytes.ts'
import { fileMemory } from './node/file-memory.ts'
import { volatileMemory } from './vault/memory.ts'
import type { Ports } from './ports.ts'

export { fileMemory } from './node/file-memory.ts'

export interface NodeOptions {
  readonly url: string
  /** An API token; without one, log in with `api.login`. */
  readonly token?: string
  /** Where to remember what was seen; not beyond this process when it is not given. */
  readonly memory?: string
}

export function connect({ url, token, memory }: NodeOptions): Ports {
  return {
    p: nodePrimitives,
    api: new ApiClient({
      url,
      fetch,
      fetchBytes: bytesFetcher(),
      openSocket: (address, headers) => new WebSocket(address, { headers }),
      ...(token === undefined ? {} : { token }),
    }),
    memory: memory === undefined ? volatileMemory() : fileMemory(memory),
    now: Date.now,
  }
}
