import type { PlanItem, PlanReport } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { folded, itemsBySection, reportsByWhy } from './items.ts'

const item = (what: string, fate: PlanItem['fate']): PlanItem => ({
  what,
  section: 'gateway',
  count: 1,
  bytes: 0,
  fate,
  why: 'travels',
})

test('of many things that are kept some are folded, and never what is not simply kept', () => {
  const kept = Array.from({ length: 12 }, (_, n) => item(`kept ${n}`, 'kept'))
  const all = [...kept, item('token', 'made-new')]
  expect(folded(all)).toEqual(kept.slice(6))
  expect(folded(all.slice(5))).toEqual([])
  expect(itemsBySection(all)[0]?.items[0]?.what).toBe('token')
})

const report = (why: PlanReport['why'], text: string): PlanReport => ({
  where: 'x',
  section: 'plugins',
  text,
  why,
})

test('what may not hold is told by why, what matters most first', () => {
  const groups = reportsByWhy([
    report('localhost', 'a'),
    report('command-missing', 'b'),
    report('localhost', 'c'),
  ])
  expect(groups.map(({ why, reports }) => [why, reports.map(({ text }) => text)])).toEqual([
    ['command-missing', ['b']],
    ['localhost', ['a', 'c']],
  ])
})
