import { expect, test } from 'vitest'
import { free } from './free.ts'

test('large memory is given back, with the header of a frame before it or room to spare behind it', () => {
  const [whole, framed, spared] = [0, 1, 2].map(() => new Uint8Array(64 * 1024))
  free(whole as Uint8Array)
  free((framed as Uint8Array).subarray(5))
  free((spared as Uint8Array).subarray(0, -64))
  for (const bytes of [whole, framed, spared]) expect(bytes?.buffer.byteLength).toBe(0)
  // Twice is once.
  free(whole as Uint8Array)
})

test('memory that others have a part in is left alone', () => {
  const small = new Uint8Array(1000)
  const large = new Uint8Array(256 * 1024)
  const shared = new Uint8Array(new SharedArrayBuffer(64 * 1024))
  free(small)
  free(large.subarray(0, 64 * 1024))
  free(shared)
  expect([small, large, shared].map(({ length }) => length)).toEqual([1000, 262_144, 65_536])
})
