/**
 * Telegram on loopback. Who holds a getUpdates open polls; the real one answers two pollers of a bot with 409. Counted
 * by token: how many at once, at most.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As long as nothing happens, a poll is answered after so long. */
const POLL_MS = 1500

export interface Telegram {
  /** What `channels.telegram.apiRoot` is to be. */
  readonly url: string
  /** At this moment. */
  pollers(token: string): number
  /** Ever at once, since the last `forget`. */
  most(token: string): number
  polls(token: string): number
  forget(): void
  close(): void
}

export async function startTelegram(): Promise<Telegram> {
  const now = new Map<string, number>()
  const most = new Map<string, number>()
  const polls = new Map<string, number>()
  const server = createServer((request, response) => {
    const [, token = '', method = ''] = /^\/bot([^/]+)\/(\w+)/.exec(request.url ?? '') ?? []
    const answer = (result: unknown) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ ok: true, result }))
    }
    request.resume()
    if (method !== 'getUpdates') {
      const me = { id: 1234567890, is_bot: true, first_name: 'Test', username: 'test_bot' }
      answer(method === 'getMe' ? me : method === 'getWebhookInfo' ? { url: '' } : true)
      return
    }
    const count = (now.get(token) ?? 0) + 1
    now.set(token, count)
    polls.set(token, (polls.get(token) ?? 0) + 1)
    most.set(token, Math.max(most.get(token) ?? 0, count))
    const timer = setTimeout(() => answer([]), POLL_MS)
    response.once('close', () => {
      clearTimeout(timer)
      now.set(token, (now.get(token) ?? 1) - 1)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pollers: (token) => now.get(token) ?? 0,
    most: (token) => most.get(token) ?? 0,
    polls: (token) => polls.get(token) ?? 0,
    forget: () => most.clear(),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
