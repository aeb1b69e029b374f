import { request } from 'node:http'
import { base64url } from '@ocm/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { TestHub } from '../testing/hub.ts'

let hub: TestHub
beforeAll(async () => {
  hub = await TestHub.ready()
})
afterAll(() => hub.close())

/** `fetch` sets some headers itself. */
function raw(path: string, headers: Record<string, string>, method = 'GET', body = '') {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const asked = request(`${hub.url}${path}`, { method, headers }, (response) => {
    let text = ''
    response.on('data', (piece) => (text += piece))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
  })
  asked.on('error', reject)
  asked.end(body)
  return promise
}

describe('by which name it lets itself be addressed', () => {
  test.each(['evil.example', '127.evil.com', 'localhost.evil.com', 'a@127.0.0.1', '127.1'])(
    'not %j',
    async (host) => {
      const { status, text } = await raw('/api/setup', { host })
      expect(status).toBe(421)
      expect(JSON.parse(text).code).toBe('host-refused')
    },
  )
  test.each(['localhost', '127.0.0.1:1', '[::1]:8001', '192.168.1.9:8001'])('%s', async (host) => {
    expect((await raw('/api/setup', { host })).status).toBe(200)
  })
  test('the public name it was given, and not another', async () => {
    const other = await TestHub.open({ publicUrl: new URL('https://ocm.example') })
    try {
      const ask = (host: string) =>
        other.hub.fastify.inject({ url: '/api/setup', headers: { host } })
      expect((await ask('ocm.example')).statusCode).toBe(200)
      expect((await ask('ocm.example.evil')).statusCode).toBe(421)
      expect(other.hub.setupLink).toMatch(/^https:\/\/ocm\.example\/setup#/)
    } finally {
      await other.close()
    }
  })
})

const attempt = (headers: Record<string, string>) =>
  hub.call('POST', '/api/login', { name: 'x', password: 'y' }, headers)

describe('from which pages it may be changed', () => {
  test.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'https://127.0.0.1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('not from %j', async (headers) => {
    const answer = await attempt(headers as Record<string, string>)
    expect(answer.status).toBe(403)
    expect(answer.body.code).toBe('origin-refused')
  })
  test('from its own', async () => {
    expect((await attempt({ origin: hub.url, 'sec-fetch-site': 'same-origin' })).status).toBe(401)
  })
})

describe('what it does not take', () => {
  test.each([
    ['a field too many', { name: 'x', password: 'y', role: 'admin' }],
    ['a number for a text', { name: 1, password: 'y' }],
    ['a missing field', { name: 'x' }],
    ['a list', []],
    ['half of a JSON text', '{"name":'],
    ['a poisoned prototype', '{"name":"x","password":"y","__proto__":{}}'],
  ])('%s', async (_what, body) => {
    const answer = await hub.call('POST', '/api/login', body)
    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('malformed')
    expect(Object.keys(answer.body).toSorted()).toEqual([
      'code',
      'facts',
      'help',
      'message',
      'next',
      'requestId',
    ])
  })
  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])(
    'a body of type %s',
    async (type) => {
      const { status } = await raw(
        '/api/login',
        { 'content-type': type },
        'POST',
        '{"name":"x","password":"y"}',
      )
      expect(status).toBe(400)
    },
  )
  test('a body without end', async () => {
    const answer = await hub.call('POST', '/api/login', {
      name: 'x',
      password: 'y'.repeat(300_000),
    })
    expect(answer.status).toBe(400)
  })
  test('a query that it does not know', async () => {
    expect((await hub.call('GET', '/api/nodes?all=1')).status).toBe(400)
  })
})

test('every route but four asks who it is', async () => {
  const { paths } = (await hub.call('GET', '/api/openapi.json')).body as {
    paths: Record<string, Record<string, unknown>>
  }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(routes.length).toBeGreaterThan(25)
  const open: string[] = []
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    const { cookie } = hub
    hub.cookie = ''
    const answer = await hub.call(method, path.replace(/\{\w+\}/g, 'a'.repeat(32)))
    hub.cookie = cookie
    if (answer.status !== 401) open.push(route)
  }
  expect(open.toSorted()).toEqual([
    'GET /api/setup',
    'GET /healthz',
    'GET /readyz',
    'POST /api/login',
    'POST /api/setup',
  ])
})

test('answers with its own headers, keeps the API out of caches, and never asks for https', async () => {
  const { headers } = await hub.call('GET', '/api/me')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  expect(headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests')
  expect(headers.get('strict-transport-security')).toBeNull()
})

test('shows its API on pages that load nothing from elsewhere', async () => {
  const page = await hub.call('GET', '/api/docs/')
  expect(page.status).toBe(200)
  expect(page.body).not.toMatch(/(src|href)="https?:/)
  expect(page.headers.get('content-security-policy')).not.toMatch(/https:|upgrade/)
  const json = await hub.call('GET', '/api/docs/json')
  expect(json.body.paths['/api/jobs'].post.requestBody).toBeDefined()
})

const dial = (headers: Record<string, string>): Promise<WebSocket | number> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/live`, { headers })
    socket.once('open', () => resolve(socket))
    socket.once('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0)
      socket.terminate()
    })
    socket.once('error', reject)
  })

describe('the live socket', () => {
  test.each([
    ['nobody', {}, 401],
    ['another page', { origin: 'http://evil.example', cookie: 'ours' }, 403],
    ['no page but a cookie', { cookie: 'ours' }, 403],
    ['another name', { host: 'evil.example', cookie: 'ours' }, 421],
  ])('is closed to %s', async (_who, headers: Record<string, string>, status) => {
    const { cookie } = headers
    const sent = cookie === undefined ? headers : { ...headers, cookie: hub.cookie }
    expect(await dial(sent)).toBe(status)
  })

  test('tells its own page and a token what changed', async () => {
    const { token } = (await hub.call('POST', '/api/tokens', { label: 'live' })).body
    const sockets = [
      await dial({ cookie: hub.cookie, origin: hub.url }),
      await dial({ authorization: `Bearer ${token}` }),
    ] as WebSocket[]
    const heard = sockets.map(
      (socket) => new Promise((resolve) => socket.once('message', (data) => resolve(String(data)))),
    )
    const { ticket, secret } = await hub.ticket()
    const { TestAgent } = await import('../testing/agent.ts')
    await new TestAgent(hub).join(ticket.id, secret)
    for (const event of await Promise.all(heard)) {
      expect(JSON.parse(event as string)).toMatchObject({ kind: 'ticket-used', ticket: ticket.id })
    }
    for (const socket of sockets) socket.terminate()
  })
})

test('gives its figures to whoever is logged in', async () => {
  const { body } = await hub.call('GET', '/metrics')
  expect(body).toMatch(/^ocm_nodes\{state="active"\} \d+$/m)
  expect(body).toMatch(/^process_resident_memory_bytes \d{7,}$/m)
  const { cookie } = hub
  hub.cookie = ''
  expect((await hub.call('GET', '/metrics')).status).toBe(401)
  hub.cookie = cookie
})

test('is ready while catalog and store can be written', async () => {
  expect((await hub.call('GET', '/readyz')).body).toEqual({ ok: true, catalog: true, packs: true })
  expect((await hub.call('GET', '/api/vault')).body.hubKey).toBe(
    base64url(hub.record?.hubs[0] ?? new Uint8Array()),
  )
})
