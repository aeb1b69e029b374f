/** What every implementation of Packs does. */
import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Packs } from '../nodes/ports.ts'

const idOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function* inPieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece.slice())
  return Buffer.concat(all)
}

/** @param open answers a store that is empty at first; opened again it holds what was put. */
export function packsContract(open: () => Promise<Packs>, reopen: () => Promise<Packs>): void {
  test('gives back what was put, whole and in ranges, also after it was opened again', async () => {
    const bytes = randomBytes(5000)
    const id = idOf(bytes)
    await (await open()).put(id, bytes.length, inPieces(bytes))
    const packs = await reopen()
    expect(await packs.size(id)).toBe(5000)
    expect(await read(packs.get(id, 0, 5000))).toEqual(bytes)
    expect(await read(packs.get(id, 4990, 10))).toEqual(bytes.subarray(4990))
    expect(await read(packs.get(id, 10, 0))).toHaveLength(0)
    const room = new Uint8Array(700)
    expect(await read(packs.get(id, 3, 4990, room))).toEqual(bytes.subarray(3, 4993))
  })

  test('takes the same pack again, one after the other and at once', async () => {
    const packs = await open()
    const bytes = randomBytes(3000)
    const id = idOf(bytes)
    await Promise.all([
      packs.put(id, bytes.length, inPieces(bytes, 1)),
      packs.put(id, bytes.length, inPieces(bytes, 7)),
    ])
    await packs.put(id, bytes.length, inPieces(bytes))
    expect(await read(packs.get(id, 0, 3000))).toEqual(bytes)
  })

  test('takes nobody at his word who says that he has a pack which is there already', async () => {
    const packs = await open()
    const bytes = randomBytes(3000)
    const id = idOf(bytes)
    await packs.put(id, bytes.length, inPieces(bytes))
    const put = packs.put(id, bytes.length, inPieces(randomBytes(3000)))
    await expect(put).rejects.toMatchObject({ code: 'pack-mismatch' })
    expect(await read(packs.get(id, 0, 3000))).toEqual(bytes)
  })

  test.each([
    ['one byte was changed', (bytes: Buffer) => Buffer.from(bytes.with(7, bytes[7] ? 0 : 1))],
    ['the end is missing', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['there is more of it', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
    ['nothing comes', () => Buffer.alloc(0)],
  ])('does not keep a pack when %s', async (_what, change) => {
    const packs = await open()
    const bytes = randomBytes(3000)
    const put = packs.put(idOf(bytes), bytes.length, inPieces(change(bytes)))
    await expect(put).rejects.toMatchObject({ code: 'pack-mismatch' })
    expect(await packs.size(idOf(bytes))).toBeUndefined()
  })

  test('keeps nothing when the sender breaks off, and takes the pack whole afterwards', async () => {
    const packs = await open()
    const bytes = randomBytes(3000)
    const id = idOf(bytes)
    async function* cutOff() {
      yield bytes.subarray(0, 2999)
      throw new Error('cable pulled')
    }
    await expect(packs.put(id, bytes.length, cutOff())).rejects.toThrow('cable pulled')
    expect(await packs.size(id)).toBeUndefined()
    await packs.put(id, bytes.length, inPieces(bytes))
    expect(await packs.size(id)).toBe(3000)
  })

  test('says of a pack that was never put that it is missing', async () => {
    const packs = await open()
    const id = idOf(Buffer.from('never'))
    expect(await packs.size(id)).toBeUndefined()
    await expect(read(packs.get(id, 0, 1))).rejects.toMatchObject({ code: 'pack-missing' })
  })

  test('can be written', async () => {
    await expect((await open()).probe()).resolves.toBeUndefined()
  })
}
