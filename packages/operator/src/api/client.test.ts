import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { ApiClient } from './client.ts'

interface Heard {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: NodeJS.Dict<string | string[]>
}

let server: ReturnType<typeof createServer>
let url: string
let heard: Heard[]
let reply: { status: number; body: string; headers?: Record<string, string> }

beforeEach(async () => {
  heard = []
  reply = { status: 200, body: '[]' }
  server = createServer((request, response) => {
    heard.push({ method: request.method, url: request.url, headers: request.headers })
    response.writeHead(reply.status, reply.headers).end(reply.body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

test('rebuilds the error that the hub answers', async () => {
  reply.status = 409
  reply.body = JSON.stringify({
    code: 'openclaw-older',
    message: 'x',
    facts: { here: '2026.1.1', theirs: '2026.9.6' },
    next: 'y',
    requestId: 'r7',
  })
  await expect(new ApiClient({ url, fetch }).nodes()).rejects.toMatchObject({
    code: 'openclaw-older',
    message: expect.stringContaining('2026.1.1'),
    facts: { requestId: 'r7' },
  })
})

test('does not pass on an answer of another shape', async () => {
  reply.body = '[{"id":1}]'
  const client = new ApiClient({ url, fetch })
  await expect(client.nodes()).rejects.toMatchObject({ code: 'malformed' })
  reply.body = '<html>'
  await expect(client.nodes()).rejects.toMatchObject({ code: 'malformed' })
})

test('says that the hub does not answer when nobody listens', async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  await expect(new ApiClient({ url, fetch }).me()).rejects.toMatchObject({
    code: 'hub-unreachable',
  })
})

test('sends a token and no cookie', async () => {
  reply.headers = { 'set-cookie': 'ocm_sid=s3cret; HttpOnly' }
  const client = new ApiClient({ url, fetch, token: 't0ken' })
  await client.nodes()
  await client.nodes()
  expect(heard.map(({ headers }) => headers['authorization'])).toEqual([
    'Bearer t0ken',
    'Bearer t0ken',
  ])
  expect(heard[1]?.headers['cookie']).toBeUndefined()
})

test('keeps the session cookie where no browser does', async () => {
  reply.headers = { 'set-cookie': 'ocm_sid=s3cret; HttpOnly; Path=/' }
  const client = new ApiClient({ url, fetch })
  await client.nodes()
  await client.nodes()
  expect(heard.map(({ headers }) => headers['cookie'])).toEqual([undefined, 'ocm_sid=s3cret'])
})

test('follows no redirect: a token would go elsewhere', async () => {
  reply.status = 302
  reply.headers = { location: `${url}/elsewhere` }
  await expect(new ApiClient({ url, fetch }).nodes()).rejects.toMatchObject({
    code: 'hub-unreachable',
  })
  expect(heard).toHaveLength(1)
})

test('takes its part of a pack from a hub that sends all of it', async () => {
  reply.body = 'abcdef'
  const client = new ApiClient({ url, fetch })
  expect(Buffer.from(await client.packBytes('f'.repeat(64), 2, 3)).toString()).toBe('cde')
  expect(heard[0]?.headers['range']).toBe('bytes=2-4')
  await expect(client.packBytes('f'.repeat(64), 4, 9)).rejects.toMatchObject({
    code: 'malformed',
  })
})

test('takes live events up again after the connection was lost', async () => {
  const sockets = new WebSocketServer({ server, path: '/api/live' })
  const openings: string[] = []
  sockets.on('connection', (socket, request) => {
    openings.push(request.headers.authorization ?? '')
    if (openings.length === 1) return socket.terminate()
    socket.send('{"kind":"made by a newer hub"}')
    socket.send(JSON.stringify({ kind: 'node-changed', node: '0'.repeat(32) }))
  })
  const client = new ApiClient({
    url,
    fetch,
    token: 't0ken',
    openSocket: (address, headers) => new WebSocket(address, { headers }),
  })
  let lost = 0
  const event = await new Promise((resolve) => {
    const end = client.live({
      onLost: () => (lost += 1),
      onEvent: (one) => {
        end()
        resolve(one)
      },
    })
  })
  expect(event).toEqual({ kind: 'node-changed', node: '0'.repeat(32) })
  expect(lost).toBe(1)
  expect(openings).toEqual(['Bearer t0ken', 'Bearer t0ken'])
  sockets.close()
})
