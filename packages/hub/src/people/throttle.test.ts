import { expect, test } from 'vitest'
import { createThrottle, householdOf } from './throttle.ts'

test.each([
  ['10.0.0.7', '10.0.0.7'],
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002::99', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('counts %s as %s', (address, household) => {
  expect(householdOf(address)).toBe(household)
})

test('waits longer with each failure beyond those allowed, and forgets after a quiet quarter of an hour', () => {
  let at = 0
  const throttle = createThrottle(() => at, 2)
  const seconds: number[] = []
  for (let n = 0; n < 5; n++) {
    throttle.failed('x')
    try {
      throttle.check('x')
      seconds.push(0)
    } catch (error) {
      seconds.push(Number((error as { facts: { seconds: number } }).facts.seconds))
    }
  }
  expect(seconds).toEqual([0, 60, 120, 240, 480])
  at = 480_000 + 15 * 60_000 + 1
  throttle.check('x')
  throttle.failed('x')
  throttle.check('x')
})
