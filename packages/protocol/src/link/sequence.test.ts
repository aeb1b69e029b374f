import { describe, expect, it } from 'vitest'
import { type Sequence, judgeSequence, oneIsLeft, settleSequence } from './sequence.ts'

const good = (stored: number, pending: number, behind = false) => ({
  kind: 'good',
  behind,
  keep: { stored, pending },
})
const cloned = { kind: 'cloned' }

it.each<[string, Sequence, number, object]>([
  ['a node that joins', { stored: 0, pending: null }, 0, good(0, 1)],
  ['a node that comes back', { stored: 7, pending: null }, 7, good(7, 8)],
  ['a welcome that never arrived', { stored: 7, pending: 8 }, 7, good(7, 9)],
  ['a welcome that was written down, and the ready lost', { stored: 7, pending: 8 }, 8, good(8, 9)],
  ['a number from before', { stored: 7, pending: null }, 6, cloned],
  ['a number from before while another is pending', { stored: 7, pending: 9 }, 6, cloned],
  ['a number that was given up', { stored: 7, pending: 9 }, 8, cloned],
  ['a node that never was here', { stored: 7, pending: null }, 0, cloned],
  ['a number this hub never gave', { stored: 7, pending: 8 }, 12, good(12, 13, true)],
])('%s', (_what, held, shown, verdict) => {
  expect(judgeSequence(held, shown)).toEqual(verdict)
})

/** Both go through handshakes in this order; `cut` is one whose ready is lost after the number was written down. */
const play = (order: readonly ('A' | 'B' | 'A cut' | 'B cut')[]): string => {
  let held: Sequence = { stored: 5, pending: null }
  const shown = { A: 5, B: 5 }
  for (const [n, turn] of order.entries()) {
    const machine = turn[0] as 'A' | 'B'
    const verdict = judgeSequence(held, shown[machine])
    if (verdict.kind === 'cloned') return `found at ${n}`
    shown[machine] = verdict.keep.pending
    held = turn.endsWith('cut') ? verdict.keep : settleSequence(verdict.keep.pending)
  }
  return 'not found'
}

describe('two machines copied from one', () => {
  it('are found when the second of them comes', () => {
    expect(play(['A', 'B'])).toBe('found at 1')
    expect(play(['B', 'B', 'A'])).toBe('found at 2')
  })
  it('are found even when the handshake of the first was cut off', () => {
    expect(play(['A cut', 'B', 'A'])).toBe('found at 2')
    expect(play(['A cut', 'B cut', 'A'])).toBe('found at 2')
  })
  it.each([5, 9, 12])(
    'are let in again one of them, which shows %i, and the other is found',
    (left) => {
      const held = oneIsLeft({ stored: 9, pending: null })
      const pending = Math.max(9, left) + 1
      expect(judgeSequence(held, left)).toMatchObject({ kind: 'good', keep: { pending } })
      for (const other of [5, 9, 12].filter((shown) => shown !== left && shown < pending)) {
        expect(judgeSequence(settleSequence(pending), other).kind).toBe('cloned')
      }
    },
  )
  it('are not seen in one machine that is cut off again and again', () => {
    expect(play(['A', 'A cut', 'A cut', 'A', 'A cut', 'A'])).toBe('not found')
  })
})
