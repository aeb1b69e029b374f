/** Opens the hub's link for an agent whose records come through here. */
import { WebSocket } from 'ws'
import { pinned } from '../node/pinned.ts'
import type { Access } from './settings.ts'

/** `stdio` stands in the prologue of what the agent at the other end says: it knows of no socket. */
const PATH = '/link?carrier=stdio'

export function linkOpener({ url, certificate }: Access): () => WebSocket {
  const isPinned = certificate !== undefined && url.startsWith('https:')
  const how = isPinned ? { createConnection: pinned(certificate) as never } : {}
  return () =>
    new WebSocket(`${url.replace(/^http/, 'ws')}${PATH}`, { perMessageDeflate: false, ...how })
}
