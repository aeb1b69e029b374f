import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ApiClient } from '../api/client.ts'
import { bytesFetcher } from './fetch-bytes.ts'

let server: ReturnType<typeof createServer>
let answer: RequestListener
let client: ApiClient

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = new ApiClient({ url, fetch, fetchBytes: bytesFetcher(), token: 't0ken' })
})

afterEach(async () => {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

const PACK = 'f'.repeat(64)
const wholePack = (bytes: number) => client.wholePack(PACK, new Uint8Array(bytes))

test('reads a pack into the memory it is given, as who asks', async () => {
  const pack = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
  answer = ({ url, headers }, response) => {
    const isAsked = url === `/api/packs/${PACK}` && headers.authorization === 'Bearer t0ken'
    response.writeHead(isAsked ? 200 : 404).end(pack)
  }
  const into = new Uint8Array(pack.length)
  expect(await client.wholePack(PACK, into)).toBe(into)
  expect(pack.equals(into)).toBe(true)
})

test('one connection is enough for many packs, whatever comes in one go with the head', async () => {
  const sockets = new Set<unknown>()
  answer = ({ socket }, response) => {
    sockets.add(socket)
    response.setHeader('content-length', 200_000)
    response.write(Buffer.alloc(150_000, sockets.size), () => response.end(Buffer.alloc(50_000, 9)))
  }
  for (let n = 0; n < 20; n++) {
    const pack = await wholePack(200_000)
    expect([pack[0], pack[149_999], pack[150_000], pack[199_999]]).toEqual([1, 1, 9, 9])
  }
  expect(sockets.size).toBe(1)
})

test('a connection that ended while nobody asked is made anew', async () => {
  answer = (_, response) => response.end(Buffer.alloc(100, 7))
  await wholePack(100)
  server.closeIdleConnections()
  expect((await wholePack(100))[99]).toBe(7)
})

test('an answer in pieces of no said length is read as well', async () => {
  answer = (_, response) => {
    response.write(Buffer.alloc(60, 3))
    response.end(Buffer.alloc(40, 4))
  }
  const pack = await wholePack(100)
  expect([pack[59], pack[60], pack[99]]).toEqual([3, 4, 4])
})

test('an answer that is shorter than the pack is malformed, and one that is longer is not read', async () => {
  answer = (_, response) => response.end(Buffer.alloc(100))
  await expect(wholePack(101)).rejects.toMatchObject({ code: 'malformed' })
  await expect(wholePack(99)).rejects.toMatchObject({ code: 'hub-unreachable' })
})

test('a connection that is lost in the middle is not an answer', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write(Buffer.alloc(50), () => response.destroy())
  }
  await expect(wholePack(100)).rejects.toMatchObject({ code: 'hub-unreachable' })
})

test('the error that the hub names is the one that is thrown', async () => {
  const body = { code: 'pack-missing', message: 'm', facts: {}, next: 'n', requestId: 'r' }
  answer = (_, response) => response.writeHead(404).end(JSON.stringify(body))
  await expect(wholePack(100)).rejects.toMatchObject({ code: 'pack-missing' })
})

test('goes nowhere else', async () => {
  answer = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()
  await expect(wholePack(100)).rejects.toMatchObject({ code: 'hub-unreachable' })
})
