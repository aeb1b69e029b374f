/** Made again, docs/vectors/ is the same byte for byte. `vitest -u` writes it, which is a change of the format. */
import { expect, test } from 'vitest'
import { fromHex, hex } from '../bytes.ts'
import { fromCbor, toCbor } from '../cbor.ts'
import { openEpochs } from '../epochs.ts'
import { OcmError } from '../errors.ts'
import { browserPrimitives } from '../primitives/browser.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { Count, Strict, decodeAs } from '../shapes.ts'
import { openManifestRoot, readSnapshot } from '../snapshot.ts'
import { Packs, decodeRoot, openerByVault, readEntry, readManifest } from './reader.ts'
import { textOf } from './testing/small-store.ts'
import { formatVectors, storeVectors, vectorStore } from './testing/vectors.ts'

const file = (name: string) =>
  new URL(`../../../../docs/vectors/${name}.json`, import.meta.url).pathname
const written = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`

test('the values of the format are those that are published', async () => {
  await expect(written(formatVectors(p))).toMatchFileSnapshot(file('format'))
  expect(written(formatVectors(browserPrimitives))).toBe(written(formatVectors(p)))
})

function isTaken(bytes: string): boolean {
  try {
    fromCbor(fromHex(bytes), 'vector')
    return true
  } catch (error) {
    if (error instanceof OcmError) return false
    throw error
  }
}

test('what no writer makes is refused', () => {
  const { cborRefused } = formatVectors(p) as { readonly cborRefused: Record<string, string> }
  const taken = Object.entries(cborRefused).filter(([, bytes]) => isTaken(bytes))
  expect(taken).toEqual([])
  expect(Object.keys(cborRefused).length).toBeGreaterThan(15)
})

test('a field that is called like a prototype is kept, and refused where no such field is named', () => {
  const config: unknown = JSON.parse('{"a":1,"__proto__":{"b":2}}')
  const bytes = toCbor(config)
  const read = fromCbor(bytes, 'vector') as Record<string, unknown>
  expect(hex(toCbor(read))).toBe(hex(bytes))
  expect(read['b']).toBe(undefined)
  expect(() => decodeAs(Strict({ a: Count }), bytes, 'vector')).toThrow(OcmError)
})

test('the store is that which is published', async () => {
  await expect(written(await storeVectors(p))).toMatchFileSnapshot(file('store'))
})

test('every snapshot of the published store is read, whichever epoch it is of', async () => {
  const { vault, epoch, node, snapshots, files } = await vectorStore(p)
  const epochs = openEpochs(p, vault, new Map([[1, epoch]]))
  for (const { statement, manifest, contents } of snapshots) {
    const header = readSnapshot(p, node.key.public, statement)
    const sealing = epochs.of(header.epoch)
    const root = decodeRoot(openManifestRoot(p, sealing, header))
    const fetch = (id: string, at: number, length: number) =>
      Promise.resolve(
        (files.get(`${id.slice(0, 2)}/${id}`) as Uint8Array).subarray(at, at + length),
      )
    const packs = new Packs(p, root, fetch, openerByVault({ sealing, node: node.id }))
    const read = await readManifest(packs)
    expect(read.entries.length).toBe(manifest.entries.length)
    for (const entry of read.entries.filter(({ extents }) => extents)) {
      const parts: string[] = []
      for await (const part of readEntry(packs, entry)) parts.push(hex(part))
      const content = contents.get(`${entry.root}:${textOf(entry.path)}`)
      expect(parts.join('')).toBe(hex(content as Uint8Array))
    }
  }
})
