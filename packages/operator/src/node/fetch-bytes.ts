/** Much of many bytes from the hub: `fetch` passes each of them through several streams, which costs more than to open them. */
import http from 'node:http'
import https from 'node:https'
import { handOut } from '@ocm/protocol/node'
import type { FetchBytes } from '../api/client.ts'
import { pinnedAgent } from './pinned.ts'

const PATIENCE_MS = 180_000
/** What an error may say of itself. */
const ERROR_BYTES = 64 * 1024

/**
 * Connections stay open while there is more to ask for, and do not keep a process that has nothing else to do.
 * @param certificate the fingerprint of the only one to be taken
 */
export function bytesFetcher(certificate?: string): FetchBytes {
  const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:':
      certificate === undefined ? new https.Agent({ keepAlive: true }) : pinnedAgent(certificate),
  }
  const fetchBytes: FetchBytes = (url, headers, into) =>
    new Promise((resolve, reject) => {
      const { request } = url.startsWith('https:') ? https : http
      const agent = url.startsWith('https:') ? agents['https:'] : agents['http:']
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const asked = request(url, { agent, headers, signal }, (response) => {
        const status = response.statusCode ?? 0
        const isDone = status === 200 || status === 206
        const room = isDone ? into : new Uint8Array(ERROR_BYTES)
        let received = 0
        response.on('data', (part: Uint8Array) => {
          const fits = part.subarray(0, room.length - received)
          room.set(fits, received)
          received += part.length
          handOut(part.length)
          // A hub that sends more than was asked for is not waited for.
          if (received > room.length) response.destroy(new Error('too many bytes'))
        })
        response.on('error', reject)
        response.on('end', () => {
          if (status >= 300 && status < 400) reject(new Error('redirected'))
          else
            resolve({
              status,
              received,
              error: isDone ? new Uint8Array(0) : room.subarray(0, received),
            })
        })
      })
      asked.on('error', (error) => {
        // A hub ends a connection that was idle, just when it is wanted again.
        const isStale = asked.reusedSocket && 'code' in error && error.code === 'ECONNRESET'
        if (isStale) resolve(fetchBytes(url, headers, into))
        else reject(error)
      })
      asked.end()
    })
  return fetchBytes
}
