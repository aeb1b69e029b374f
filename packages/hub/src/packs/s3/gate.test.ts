import { expect, test } from 'vitest'
import { gate } from './gate.ts'

test('lets so many through at a time, in order, whatever becomes of them', async () => {
  const through = gate(2)
  const begun: number[] = []
  const ends: (() => void)[] = []
  let inside = 0
  let most = 0
  const all = [0, 1, 2, 3, 4].map((n) =>
    through(async () => {
      begun.push(n)
      most = Math.max(most, ++inside)
      await new Promise<void>((resolve) => void ends.push(resolve))
      inside--
      if (n === 1) throw new Error('one of them')
      return n
    }),
  )
  const settled = Promise.allSettled(all)
  while (begun.length < 5 || ends.length > 0) {
    ends.shift()?.()
    await Promise.resolve()
  }
  expect((await settled).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ])
  expect([begun, most]).toEqual([[0, 1, 2, 3, 4], 2])
})
