import { expect, test } from 'vitest'
import { discover } from './discovery.ts'
import { personasOf, systemPersonaOf } from './personas.ts'
import { variablesOf } from './variables.ts'

const where = discover({ home: '/home/a', env: { TEAM: 'red' }, agentStateDir: '/home/a/agent' })
const workspaces = (tree: object) =>
  personasOf(where, tree as never, variablesOf(where, tree as never)).map(
    ({ id, workspace }) => [id, workspace] as const,
  )

test('without any there is main, in the default workspace', () => {
  expect(workspaces({})).toEqual([['main', '/home/a/.openclaw/workspace']])
  expect(workspaces({ agents: { defaults: { workspace: '~/ws' } } })).toEqual([
    ['main', '/home/a/ws'],
  ])
})

test('of several, those without a workspace of their own get one in the shared one', () => {
  const agents = {
    defaults: { workspace: '/data/ws' },
    ownership: 'explicit',
    entries: { Main: {}, work: { workspace: '~/work' }, red: { workspace: '/data/${TEAM}' } },
  }
  expect(workspaces({ agents })).toEqual([
    ['main', '/data/ws/main'],
    ['work', '/home/a/work'],
    ['red', '/data/red'],
  ])
})

test('of several without any shared workspace each has its own in the state directory', () => {
  expect(workspaces({ agents: { ownership: 'explicit', entries: { a: {}, b: {} } } })).toEqual([
    ['a', '/home/a/.openclaw/workspace-a'],
    ['b', '/home/a/.openclaw/workspace-b'],
  ])
})

test('in the older shape, a list, the marked or the first one has the default workspace', () => {
  expect(workspaces({ agents: { list: [{ id: 'a' }, { id: 'b' }] } })).toEqual([
    ['a', '/home/a/.openclaw/workspace'],
    ['b', '/home/a/.openclaw/workspace-b'],
  ])
  expect(workspaces({ agents: { list: [{ id: 'a' }, { id: 'b', default: true }] } })).toEqual([
    ['a', '/home/a/.openclaw/workspace-a'],
    ['b', '/home/a/.openclaw/workspace'],
  ])
})

test('a shape that is neither costs no more than itself', () => {
  expect(workspaces({ agents: { entries: { a: 'nonsense', b: { workspace: 7 } } } })).toHaveLength(
    2,
  )
  expect(workspaces({ agents: 'nonsense' })).toHaveLength(1)
})

test('who does what nobody is named for', () => {
  expect(systemPersonaOf({ agents: { defaults: { systemAgent: { agentId: 'Ops' } } } })).toBe('ops')
  expect(systemPersonaOf({ agents: { entries: { only: {} } } })).toBe('only')
  expect(systemPersonaOf({ agents: { ownership: 'explicit', entries: { a: {}, b: {} } } })).toBe('')
})
