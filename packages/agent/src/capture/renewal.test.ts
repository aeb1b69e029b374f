import { expect, test } from 'vitest'
import { packsToRenew } from './renewal.ts'

const pack = (id: string, liveBytes: number, plainBytes = 1000, bytes = 2_000_000) => ({
  id,
  bytes,
  class: 'bulk' as const,
  header: new Uint8Array(32),
  plainBytes,
  storedAt: 0,
  liveBytes,
})

test('mostly dead packs are renewed, the deadest first, up to a share of the data', () => {
  const packs = [
    pack('full', 20_000, 20_000),
    pack('half', 500),
    pack('third', 330),
    pack('tenth', 100),
    pack('less', 450),
  ]
  // A twentieth of 21,380 is 1,069.
  expect([...packsToRenew(packs)]).toEqual(['tenth', 'third', 'less'])
  expect([...packsToRenew(packs.slice(1))]).toEqual([])
  expect([...packsToRenew([])]).toEqual([])
})

test('small packs are joined when there are many of a class', () => {
  const large = pack('large', 100_000_000, 100_000_000)
  const small = Array.from({ length: 33 }, (_, i) => pack(`small-${i}`, 1000, 1000, 1000))
  expect(packsToRenew([large, ...small]).size).toBe(33)
  expect(packsToRenew([large, ...small.slice(1)]).size).toBe(0)
})
