import { expect, test } from 'vitest'
import { LOST_MS, type Rollout, type Updatable, judged, nextOf } from './rollout.ts'

const node = (id: string, change: Partial<Updatable> = {}): Updatable => ({
  id,
  serial: 1,
  failed: undefined,
  idle: true,
  onTrial: false,
  pending: false,
  ...change,
})
const fleet = (count: number, change: Partial<Updatable> = {}) =>
  Array.from({ length: count }, (_, n) => node(`n${n}`, change))
const START: Rollout = { serial: 2, offeredAt: 0, done: [], asked: {}, failed: null }

test('asks one, then one in ten, then all the others', () => {
  let nodes = fleet(30)
  let rollout = START
  const waves: number[] = []
  /** How many are asked while those of a wave have not come back. */
  const meanwhile: number[] = []
  for (let at = 0; rollout.done.length < 30; at++) {
    rollout = judged(rollout, nodes, at)
    const next = nextOf(rollout, nodes)
    waves.push(next.length)
    const asked = Object.fromEntries(next.map((id) => [id, at]))
    rollout = { ...rollout, asked: { ...rollout.asked, ...asked } }
    meanwhile.push(nextOf(rollout, nodes).length)
    nodes = nodes.map((one) => (next.includes(one.id) ? { ...one, serial: 2 } : one))
    rollout = judged(rollout, nodes, at)
  }
  expect(waves).toEqual([1, 3, 26])
  expect(meanwhile).toEqual([0, 0, 0])
})

test('stops at the first that goes back', () => {
  const [first, ...rest] = fleet(3)
  const nodes = [{ ...(first as Updatable), failed: 2 }, ...rest]
  const rollout = judged({ ...START, asked: { n0: 0 } }, nodes, 1)
  expect(rollout.failed).toBe('n0')
  expect(nextOf(rollout, nodes)).toEqual([])
})

test('an older failure is none of this release', () => {
  const nodes = fleet(1, { failed: 1 })
  expect(nextOf(judged(START, nodes, 0), nodes)).toEqual(['n0'])
})

test('stops when one that was asked does not come back, and not before', () => {
  const nodes = [node('n0', { serial: undefined, idle: false }), node('n1')]
  const asked = { ...START, asked: { n0: 0 } }
  expect(judged(asked, nodes, LOST_MS).failed).toBeNull()
  expect(judged(asked, nodes, LOST_MS + 1).failed).toBe('n0')
})

test('leaves a node alone that is at work or away', () => {
  const nodes = [
    node('n0', { idle: false }),
    node('n1', { serial: undefined, idle: false }),
    node('n2'),
  ]
  expect(nextOf(START, nodes)).toEqual(['n2'])
})

test('counts a node that has it by other means', () => {
  const nodes = [node('n0', { serial: 3 }), node('n1')]
  const rollout = judged(START, nodes, 0)
  expect(rollout.done).toEqual(['n0'])
  expect(nextOf(rollout, nodes)).toEqual(['n1'])
})

test('asks a node again that is here as it was, unless it is being asked', () => {
  const asked = { ...START, asked: { n0: 0 } }
  const [first] = fleet(1, { pending: true })
  expect(judged(asked, [first as Updatable], 1).asked).toEqual({ n0: 0 })
  const lost = judged(asked, fleet(1), 1)
  expect(lost).toMatchObject({ asked: {}, failed: null })
  expect(nextOf(lost, fleet(1))).toEqual(['n0'])
})

test('counts a node when its trial is over, and asks it nothing until then', () => {
  const nodes = fleet(1, { serial: 2, onTrial: true })
  const rollout = judged({ ...START, asked: { n0: 0 } }, nodes, 1)
  expect(rollout).toMatchObject({ done: [], asked: { n0: 0 } })
  expect(judged(rollout, fleet(1, { serial: 2 }), 2).done).toEqual(['n0'])
})

test('offered again, it goes on with those that did not go back from it', () => {
  const nodes = [node('n0', { failed: 2 }), node('n1')]
  const rollout = judged(START, nodes, 0)
  expect(rollout.failed).toBeNull()
  expect(nextOf(rollout, nodes)).toEqual(['n1'])
})
