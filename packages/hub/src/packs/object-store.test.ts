import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  startBucket,
  type TestBucket,
  whyNoObjectStore,
} from '../../../../tests/support/object-store/server.ts'
import { type ObjectStore, openObjectStore } from './object-store.ts'
import { packsContract } from './packs.contract.ts'

const why = whyNoObjectStore()
const idOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
async function* once(bytes: Uint8Array) {
  // The store does with it what it likes.
  yield new Uint8Array(bytes)
}
async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece.slice())
  return Buffer.concat(all)
}

async function put(store: ObjectStore, bytes: Uint8Array): Promise<string> {
  const id = idOf(bytes)
  await store.put(id, bytes.length, once(bytes))
  return id
}

describe.skipIf(why !== undefined)(`a bucket${why === undefined ? '' : ` (${why})`}`, () => {
  let bucket: TestBucket
  let ground: string
  let prefix: string
  const opened: ObjectStore[] = []
  beforeAll(async () => {
    bucket = await startBucket()
  })
  afterAll(() => bucket?.stop())
  beforeEach(async () => {
    ground = await mkdtemp(`${tmpdir()}/ocm-object-store-`)
    prefix = `test/${randomUUID()}/`
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) store.close()
    await rm(ground, { recursive: true, force: true })
  })

  async function open(at: TestBucket = bucket): Promise<ObjectStore> {
    const { endpoint, region, keys } = at
    const place = { endpoint, bucket: at.bucket, prefix, region }
    const store = await openObjectStore({ place, keys, spool: `${ground}/spool` })
    opened.push(store)
    return store
  }
  const names = async () =>
    (await bucket.names(prefix)).map((name) => name.slice(prefix.length)).toSorted()

  packsContract(
    () => open(),
    () => open(),
  )

  test('knows what the server can do', async () => {
    const { abilities } = await open()
    // One that the environment names may do less.
    expect(abilities).toMatchObject({
      guarded: true,
      ...(bucket.server && { conditional: true, checked: true }),
    })
    expect(await names()).toEqual(['.probe'])
  })

  test('gives objects the names that a directory gives its files, and leaves nothing in the spool', async () => {
    const store = await open()
    const id = await put(store, randomBytes(5000))
    await store.keepHeader('ab'.repeat(32), Buffer.from('header'))
    await store.keepVault({ record: Buffer.from('record'), slots: [Buffer.from('slot')] })
    const slot = `vault/slot-${idOf(Buffer.from('slot'))}`
    expect(await names()).toEqual(
      [
        '.probe',
        `${id.slice(0, 2)}/${id}`,
        `snapshots/${'ab'.repeat(32)}`,
        'vault/record',
        slot,
      ].toSorted(),
    )
    expect(await readdir(`${ground}/spool`)).toEqual([])
  })

  test('takes a pack of the largest size, and gives it back in pieces that fill what they are read into', async () => {
    const store = await open()
    const bytes = randomBytes(32 * 1024 * 1024)
    const id = await put(store, bytes)
    expect(await store.check(id, bytes.length)).toBe('whole')
    const hash = createHash('sha256')
    const room = new Uint8Array(1024 * 1024)
    const lengths = new Set<number>()
    for await (const piece of store.get(id, 5, bytes.length - 5, room)) {
      lengths.add(piece.length)
      hash.update(piece)
    }
    expect(hash.digest('hex')).toBe(idOf(bytes.subarray(5)))
    expect(lengths).toEqual(new Set([room.length, room.length - 5]))
  })

  test('writes a damaged pack anew when it is put again, and leaves a whole one as it is', async () => {
    const store = await open()
    const bytes = randomBytes(3000)
    const id = await put(store, bytes)
    const name = `${prefix}${id.slice(0, 2)}/${id}`
    for (const damaged of [bytes.subarray(0, 7), Buffer.concat([bytes, bytes]), bytes.with(1, 0)]) {
      await bucket.put(name, damaged)
      expect(await store.check(id, bytes.length)).toBe('damaged')
      await put(store, bytes)
      expect(await bucket.get(name)).toEqual(bytes)
    }
    await bucket.remove(name)
    expect(await store.check(id, bytes.length)).toBe('missing')
  })

  test('removes packs and headers, those that are not there as well', async () => {
    const store = await open()
    const ids = [await put(store, randomBytes(10)), await put(store, randomBytes(10))]
    await store.keepHeader('ab'.repeat(32), Buffer.from('header'))
    await store.remove([...ids, idOf(Buffer.from('never'))])
    await store.removeHeader('ab'.repeat(32))
    await store.remove([])
    expect(await names()).toEqual(['.probe'])
  })

  test('keeps the vault beside the packs: the newest record, what opens it, and when headers came', async () => {
    const store = await open()
    expect(await store.vault()).toBeUndefined()
    const [one, two, three] = ['1', '2', '3'].map((text) => new Uint8Array(Buffer.from(text)))
    if (!one || !two || !three) throw new Error()
    await store.keepVault({ record: one, slots: [one, two] })
    await store.keepVault({
      record: two,
      slots: [two, three],
      epochs: [{ epoch: 7, bytes: one }],
    })
    const kept = await (await open()).vault()
    expect(kept).toEqual({
      record: two,
      slots: expect.arrayContaining([two, three]),
      epochs: [{ epoch: 7, bytes: one }],
    })
    expect(kept?.slots).toHaveLength(2)

    const began = Date.now()
    await store.keepHeader('cd'.repeat(32), three)
    const [header] = await store.headers()
    expect(header?.id).toBe('cd'.repeat(32))
    expect(Math.abs((header?.at ?? 0) - began)).toBeLessThan(60_000)
    expect(await store.header('cd'.repeat(32))).toEqual(three)
  })

  test('in a bucket that keeps versions it puts, damages, mends and removes as in any other', async () => {
    const other = await bucket.another()
    await other.keepVersions()
    const store = await open(other)
    const bytes = randomBytes(3000)
    const id = await put(store, bytes)
    await other.put(`${prefix}${id.slice(0, 2)}/${id}`, bytes.with(1, 0))
    expect(await store.check(id, bytes.length)).toBe('damaged')
    await put(store, bytes)
    expect(await store.check(id, bytes.length)).toBe('whole')
    await store.remove([id, idOf(Buffer.from('never'))])
    expect(await store.size(id)).toBeUndefined()
    expect(await store.check(id, bytes.length)).toBe('missing')
    await put(store, bytes)
    expect(await store.check(id, bytes.length)).toBe('whole')
  })

  test('many who read slowly keep nobody from asking, nor many who write', async () => {
    const store = await open()
    const bytes = randomBytes(400_000)
    const id = await put(store, bytes)
    const slow = Array.from({ length: 80 }, () => store.get(id, 0, bytes.length))
    const readers = slow.map((pieces) => pieces[Symbol.asyncIterator]())
    for (const reader of readers) await reader.next()
    const others = Array.from({ length: 80 }, () => randomBytes(1000))
    const ids = await Promise.all(others.map((other) => put(store, other)))
    expect(await Promise.all(ids.map((one) => store.size(one)))).toEqual(others.map(() => 1000))
    for (const reader of readers) await reader.return?.()
  })

  test('lists more headers than a server names at once', async () => {
    const store = await open()
    // Ours names 20, others 1000.
    const many = bucket.server ? 45 : 1003
    const ids = Array.from({ length: many }, (_, n) => idOf(Buffer.from(String(n))))
    for (let from = 0; from < many; from += 50) {
      const part = ids.slice(from, from + 50)
      await Promise.all(part.map((id) => store.keepHeader(id, Buffer.from('h'))))
    }
    expect((await store.headers()).map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  test('reads what it is asked for of a pack that is shorter', async () => {
    const store = await open()
    const id = await put(store, randomBytes(100))
    expect(await bytesOf(store.get(id, 90, 50))).toHaveLength(10)
    expect(await bytesOf(store.get(id, 200, 50))).toHaveLength(0)
  })
})
