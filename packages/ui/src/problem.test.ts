import { OcmError } from '@ocm/protocol'
import { expect, test, vi } from 'vitest'
import { problemOf } from './problem.ts'

test('an error of OCM keeps its code, its sentence and the next step', () => {
  expect(problemOf(new OcmError('node-offline', { reach: 'agent', requestId: 'r1' }))).toEqual({
    code: 'node-offline',
    says: 'The node is not connected.',
    next: 'Start the agent there: ocm-agent run.',
    requestId: 'r1',
  })
})

test('the next step is that of a node which is reached as this one is', () => {
  const lend = 'Where it is reached over ssh, lend what it takes to log in: ocm lend NODE.'
  expect(problemOf(new OcmError('node-offline', { reach: 'ssh' })).next).toBe(lend)
})

test('a code that only a newer hub knows is shown as it came', () => {
  expect(problemOf(new OcmError('internal', { code: 'moon-full' })).code).toBe('moon-full')
})

test('what nobody expected is said to be so, and told to the console', () => {
  const reported: unknown[] = []
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
  expect(problemOf(new TypeError('x')).code).toBe('internal')
  expect(reported).toEqual([new TypeError('x')])
  vi.unstubAllGlobals()
})
