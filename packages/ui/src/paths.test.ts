import { expect, test } from 'vitest'
import { pathWithin } from './paths.ts'

test.each([
  ['/nodes/1?tab=2', '/nodes/1?tab=2'],
  ['//elsewhere.example', '/'],
  ['/\\elsewhere.example', '/'],
  ['https://elsewhere.example', '/'],
  [undefined, '/'],
  [['/a', '/b'], '/'],
])('after login %j leads to %s', (wish, path) => expect(pathWithin(wish)).toBe(path))
