/** What happens on the way to a real S3 server, and to it. A pack that was acknowledged is there and whole, always. */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  cutAfter,
  type Fault,
  type FaultProxy,
  loseAnswer,
  notImplemented,
  slowDown,
  startFaultProxy,
  stopAfter,
  turnBit,
} from '../../../../tests/support/object-store/proxy.ts'
import { whyNoRadosgw } from '../../../../tests/support/object-store/radosgw.ts'
import { startBucket, type TestBucket } from '../../../../tests/support/object-store/server.ts'
import { type ObjectStore, openObjectStore } from './object-store.ts'
import { selfSigned } from '../tls/self-signed.ts'
import { keepsVaultAgain } from './vault-again.ts'
import type { BucketKeys, BucketPlace } from './s3/place.ts'

// It has to be one that may be killed.
const why = process.env['OCM_TEST_S3_ENDPOINT'] === undefined ? whyNoRadosgw() : 'not our server'
const MIB = 1024 * 1024
const idOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
async function* once(bytes: Uint8Array) {
  yield new Uint8Array(bytes)
}
async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(new Uint8Array(piece))
  return Buffer.concat(all)
}
async function put(store: ObjectStore, bytes: Uint8Array): Promise<string> {
  const id = idOf(bytes)
  await store.put(id, bytes.length, once(bytes))
  return id
}
const isPut = ({ method, url }: IncomingMessage) => method === 'PUT' && !url?.includes('.probe')
const isGet = ({ method, url }: IncomingMessage) => method === 'GET' && !url?.includes('?')

const takesAll: Fault = async ({ request, answer }) => {
  request.resume()
  answer.writeHead(200).end()
}

describe.skipIf(why !== undefined)(`a bucket${why === undefined ? '' : ` (${why})`}`, () => {
  let bucket: TestBucket
  let proxy: FaultProxy
  let spool: string
  let prefix: string
  const opened: ObjectStore[] = []
  beforeAll(async () => {
    bucket = await startBucket()
  })
  afterAll(() => bucket?.stop())
  beforeEach(async () => {
    spool = await mkdtemp(`${tmpdir()}/ocm-spool-`)
    prefix = `faults/${randomUUID()}/`
    proxy = await startFaultProxy(bucket.endpoint)
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) store.close()
    await proxy.close()
    if ((await readdir(spool)).length > 0) throw new Error('something was left in the spool')
    await rm(spool, { recursive: true, force: true })
  })

  async function open(
    change: { place?: Partial<BucketPlace>; keys?: Partial<BucketKeys>; forMs?: number } = {},
  ): Promise<ObjectStore> {
    const { region, keys } = bucket
    const store = await openObjectStore({
      place: { endpoint: proxy.endpoint, bucket: bucket.bucket, prefix, region, ...change.place },
      keys: { ...keys, ...change.keys },
      spool,
      patience: { silentMs: 500, forMs: change.forMs ?? 4000 },
    })
    opened.push(store)
    return store
  }
  const stored = async (id: string) => idOf(await bucket.get(`${prefix}${id.slice(0, 2)}/${id}`))

  test.each<[string, number, Fault]>([
    ['the line is cut in the middle of it, twice', 2, cutAfter(MIB)],
    ['the server asks for less, three times', 3, slowDown],
    ['a bit turns on the way', 1, turnBit],
    ['the answer is lost', 1, loseAnswer],
  ])('a pack is stored once and whole when %s', async (_what, times, fault) => {
    const store = await open()
    const bytes = randomBytes(3 * MIB)
    proxy.next(times, isPut, fault)
    const id = await put(store, bytes)
    expect(await stored(id)).toBe(id)
    expect(await store.check(id, bytes.length)).toBe('whole')
    expect(proxy.seen.filter((line) => line.includes(id) && line.startsWith('PUT'))).toHaveLength(
      times + 1,
    )
  })

  test('a pack that never gets through is not acknowledged, and not there', async () => {
    const store = await open({ forMs: 500 })
    proxy.next(Infinity, isPut, cutAfter(MIB))
    const bytes = randomBytes(3 * MIB)
    await expect(put(store, bytes)).rejects.toMatchObject({ code: 'store-failed' })
    expect(await store.size(idOf(bytes))).toBeUndefined()
  })

  test('is read whole although each answer breaks off', async () => {
    const store = await open()
    const bytes = randomBytes(3 * MIB)
    const id = await put(store, bytes)
    proxy.next(3, isGet, stopAfter(MIB - 17))
    const room = new Uint8Array(100_000)
    const read = await bytesOf(store.get(id, 5, bytes.length - 5, room))
    expect(idOf(read)).toBe(idOf(bytes.subarray(5)))
    expect(proxy.seen.filter((line) => line.startsWith('GET') && line.includes(id))).toHaveLength(4)
  })

  test('a reader that takes its time is not taken for a server that is silent', async () => {
    const store = await open()
    const bytes = randomBytes(3 * MIB)
    const id = await put(store, bytes)
    const read: Uint8Array[] = []
    for await (const piece of store.get(id, 0, bytes.length)) {
      // Longer than it may be silent.
      if (read.length === 0) await pause(800)
      read.push(piece)
    }
    expect(idOf(Buffer.concat(read))).toBe(id)
    expect(proxy.seen.filter((line) => line.startsWith('GET') && line.includes(id))).toHaveLength(1)
  })

  test('a server that is frozen fails what is asked of it, in time, and is used again when it thaws', async () => {
    const store = await open({ forMs: 800 })
    const bytes = randomBytes(MIB)
    bucket.server?.freeze()
    const began = performance.now()
    try {
      const failed = { code: 'store-failed', facts: { why: expect.stringContaining('silent') } }
      await Promise.all([
        expect(put(store, bytes)).rejects.toMatchObject(failed),
        expect(store.size(idOf(bytes))).rejects.toMatchObject(failed),
        expect(store.check(idOf(bytes), MIB)).rejects.toMatchObject(failed),
        expect(store.probe()).rejects.toMatchObject(failed),
      ])
      expect(performance.now() - began).toBeLessThan(4000)
    } finally {
      bucket.server?.thaw()
    }
    const id = await put(store, bytes)
    expect(await stored(id)).toBe(id)
  })

  test('a server that knows neither conditions nor how to remove many is used without', async () => {
    proxy.next(Infinity, ({ headers }) => 'if-none-match' in headers, notImplemented)
    proxy.next(Infinity, ({ method }) => method === 'POST', notImplemented)
    const store = await open()
    expect(store.abilities).toEqual({ conditional: false, checked: true, guarded: true })
    const ids = [await put(store, randomBytes(10)), await put(store, randomBytes(10))]
    await store.remove(ids)
    expect(await bucket.names(prefix)).toEqual([`${prefix}.probe`])
  })

  test('what a server does not check is read back before it is acknowledged', async () => {
    proxy.next(1, ({ url }) => url?.endsWith('.probe-sums') === true, takesAll)
    const store = await open()
    expect(store.abilities.checked).toBe(false)
    const bytes = randomBytes(MIB)
    // It says that it has it, twice, and has not.
    proxy.next(2, isPut, takesAll)
    await expect(put(store, bytes)).rejects.toMatchObject({ code: 'store-failed' })
    const id = await put(store, bytes)
    expect(await stored(id)).toBe(id)
  })

  test.each<[string, Parameters<typeof open>[0], string]>([
    ['the access key is unknown', { keys: { id: 'UNKNOWN' } }, 'does not know the access key'],
    ['the secret is another', { keys: { secret: 'x' } }, 'not that of the access key'],
    ['there is no such bucket', { place: { bucket: 'no-such-bucket' } }, 'no such bucket'],
    [
      'nobody listens',
      { place: { endpoint: 'http://127.0.0.1:9' }, forMs: 0 },
      'cannot be reached',
    ],
    ['there is no such host', { place: { endpoint: 'http://s3.invalid' }, forMs: 0 }, 'ENOTFOUND'],
  ])('says at once and in words that %s', async (_what, change, words) => {
    await expect(open(change)).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(words),
    })
  })

  test('says that the clocks differ', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    try {
      await expect(open()).rejects.toThrow('clocks of the hub and of the bucket')
    } finally {
      vi.useRealTimers()
    }
  })

  test('by https too, from nobody whose certificate is not vouched for', async () => {
    const pair = selfSigned(['127.0.0.1'], Date.now())
    const shut = await startFaultProxy(bucket.endpoint, pair)
    const before = getCACertificates('default')
    try {
      const place = { endpoint: shut.endpoint }
      await expect(open({ place })).rejects.toThrow('(DEPTH_ZERO_SELF_SIGNED_CERT)')
      expect(shut.seen).toEqual([])
      setDefaultCACertificates([...before, pair.certificate])
      const store = await open({ place })
      const bytes = randomBytes(MIB)
      const id = await put(store, bytes)
      expect(await store.check(id, bytes.length)).toBe('whole')
    } finally {
      setDefaultCACertificates(before)
      await shut.close()
    }
  })

  test('a vault that could not be kept is kept when the server can again, the newest and nothing after it', async () => {
    const store = await open({ forMs: 0 })
    const logged: string[] = []
    const log = { warn: () => void logged.push('not yet'), info: () => void logged.push('kept') }
    const vault = keepsVaultAgain(store, log, 20)
    const [one, two] = [randomBytes(9), randomBytes(9)].map((bytes) => new Uint8Array(bytes))
    if (!one || !two) throw new Error()
    proxy.next(5, ({ url }) => url?.includes('/vault/') === true, slowDown)
    const failed = vault.keepVault({ record: one, slots: [one] })
    await expect(failed).rejects.toMatchObject({ code: 'store-failed' })
    await expect(vault.keepVault({ record: two, slots: [two] })).rejects.toThrow('asked less')
    await vi.waitFor(() => expect(logged.at(-1)).toBe('kept'), 5000)
    expect(await store.vault()).toEqual({ record: two, slots: [two], epochs: [] })
    vault.stop()
  })

  test('a bucket that is gone has lost nothing', async () => {
    const other = await bucket.another()
    const store = await open({ place: { bucket: other.bucket } })
    await other.remove(`${prefix}.probe`)
    await other.removeBucket()
    const failed = { code: 'store-failed', message: expect.stringContaining('no such bucket') }
    await expect(store.size('ab'.repeat(32))).rejects.toMatchObject(failed)
    await expect(store.check('ab'.repeat(32), 10)).rejects.toMatchObject(failed)
    await expect(store.remove(['ab'.repeat(32)])).rejects.toMatchObject(failed)
  })

  // The last one: for a while afterwards Ceph waits for the gateway that it has lost.
  test('a pack that is on its way when the server dies is stored when it is back', async () => {
    const store = await open({ forMs: 20_000 })
    const bytes = randomBytes(8 * MIB)
    const dies: Fault = async (passing) => {
      await bucket.server?.kill()
      await cutAfter(MIB)(passing).catch(() => passing.request.socket.destroy())
    }
    proxy.next(1, isPut, dies)
    const isStored = put(store, bytes)
    await vi.waitFor(() => expect(proxy.seen.some((line) => line.includes(idOf(bytes)))).toBe(true))
    await bucket.server?.start()
    const id = await isStored
    expect(await stored(id)).toBe(id)
  })
})
