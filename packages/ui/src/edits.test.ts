import { expect, test } from 'vitest'
import { type Edit, countsBySection, differenceOf, editsMatching, grouped } from './edits.ts'

test('whole names of a path differ, not letters of them', () => {
  expect(differenceOf('/home/alice/notes', '/home/alba/notes')).toEqual({
    head: '/home/',
    was: 'alice',
    becomes: 'alba',
    tail: '/notes',
  })
})

test('a path that grew is shown grown', () => {
  expect(differenceOf('/srv/oc', '/srv/oc/main')).toEqual({
    head: '/srv/',
    was: 'oc',
    becomes: 'oc/main',
    tail: '',
  })
})

test('a port in an address differs alone', () => {
  expect(differenceOf('ws://host:18789/x', 'ws://host:19000/x')).toMatchObject({
    was: '18789',
    becomes: '19000',
  })
})

test('long lines of prose keep only what is around the change', () => {
  const { head, was, tail } = differenceOf(
    `${'a '.repeat(200)}/home/a/x ${'b '.repeat(200)}`,
    `${'a '.repeat(200)}/home/b/x ${'b '.repeat(200)}`,
  )
  expect(was).toBe('a')
  expect(head.length).toBeLessThan(60)
  expect(tail.endsWith('…')).toBe(true)
})

const edit = (section: Edit['section'], where: string): Edit => ({
  where,
  section,
  class: 'structured',
  before: '/a',
  after: '/b',
  done: true,
})
const edits = [edit('history', 'h1'), edit('gateway', 'g1'), edit('gateway', 'g2')]

test('sections are counted in their own order', () => {
  expect(countsBySection(edits)).toEqual([
    { section: 'gateway', count: 2 },
    { section: 'history', count: 1 },
  ])
})

test('edits are found by section and by what stands in them', () => {
  expect(editsMatching(edits, 'all', 'G2').map(({ where }) => where)).toEqual(['g2'])
  expect(editsMatching(edits, 'all', '').map(({ where }) => where)).toEqual(['g1', 'g2', 'h1'])
  expect(editsMatching(edits, 'history', '/b').map(({ where }) => where)).toEqual(['h1'])
})

test('a heading comes wherever the section changes', () => {
  expect(grouped(editsMatching(edits, 'all', '')).map((group) => group.edits.length)).toEqual([
    2, 1,
  ])
})
