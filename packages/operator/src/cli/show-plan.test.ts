import { type Finding, MEANINGS, type Plan, defaultChoices } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { findingText, planText } from './show-plan.ts'

const plan = (more: Partial<Plan> = {}): Plan => ({
  kind: 'move',
  choices: defaultChoices('move'),
  roots: [{ root: 'home', from: '/home/ada', to: '/srv/ada' }],
  rules: [],
  port: { from: 18_789, to: 18_790 },
  items: [],
  edits: [],
  reports: [],
  findings: [],
  bytes: 5_300_000,
  hash: 'ab'.repeat(32),
  ...more,
})

const finding = (code: string, weight: Finding['weight']): Finding => ({
  code,
  weight,
  facts: { needBytes: 9, freeBytes: 1 },
})

test('shows where roots and port go', () => {
  const text = planText(plan())
  expect(text).toMatch(/home +\/home\/ada +-> \/srv\/ada/)
  expect(text).toMatch(/port +18789 +-> 18790/)
  expect(text).toContain('5.3 MB')
})

test('counts all rewrites, shows the first, and says what is left', () => {
  const edits = Array.from({ length: 20 }, (_, n) => ({
    where: `state:config /a/${n}`,
    section: 'gateway' as const,
    class: 'structured' as const,
    before: `/home/ada/${n}`,
    after: `/srv/ada/${n}`,
    done: n > 0,
  }))
  const text = planText(plan({ edits }))
  expect(text).toContain('19 places')
  expect(text).toContain('/srv/ada/1\n')
  expect(text).not.toContain('/srv/ada/19')
  expect(text).toContain('and 11 more')
  expect(text).toContain('1 place in prose stay')
})

test('says blockers apart from warnings', () => {
  const findings = [finding('disk-full', 'blocker'), finding('target-occupied', 'warning')]
  const text = planText(plan({ findings }))
  const [before = '', after = ''] = text.split('What forbids it')
  expect(before).toContain('target-occupied')
  expect(after).toContain('needs 9 bytes')
})

test('says notices, in words, before what is more pressing', () => {
  const codes = [
    'api-keys-left',
    'graft-keeps-own',
    'graft-renamed',
    'paths-outside',
    'gateway-not-managed',
    'prose-left',
    'paths-nowhere',
    'paths-unchecked',
    'texts-unscanned',
    'localhost-urls',
  ]
  const facts = { count: 3, first: '/opt/tool', name: 'work', becomes: 'work-2' }
  const findings: Finding[] = [
    finding('target-occupied', 'warning'),
    ...codes.map((code) => ({ code, weight: 'notice' as const, facts })),
  ]
  const text = planText(plan({ findings }))
  const [, notices = '', warnings = ''] =
    /Good to know\n([^]*)To know before you approve\n([^]*)/.exec(text) ?? []
  expect(warnings).toContain('(target-occupied)')
  for (const code of codes) expect(notices).toMatch(new RegExp(`^  \\S+ .+\\. \\(${code}\\)$`, 'm'))
  // A code alone with its facts would be one that has no words.
  expect(notices).not.toContain('first: /opt/tool,')
})

test('says a finding that is an error code in the words of that error, and an unknown one by its code', () => {
  const here = { here: '2026.1.1', theirs: '2026.9.6' }
  const known = findingText({ code: 'openclaw-older', weight: 'blocker', facts: here })
  expect(known).toContain(MEANINGS['openclaw-older'].says(here))
  expect(findingText({ code: 'new-thing', weight: 'notice', facts: { count: 3 } })).toBe(
    'new-thing (count: 3)',
  )
})

test('shows what is only proposed as a difference, and what may not hold, long lists cut', () => {
  const edits = [
    {
      where: 'workspace:main:MEMORY.md line 2',
      section: 'workspaces' as const,
      class: 'prose' as const,
      before: 'see /home/ada/x',
      after: 'see /srv/ada/x',
      done: false,
    },
  ]
  const reports = Array.from({ length: 10 }, (_, n) => ({
    where: `state:config /mcp/${n}`,
    section: 'plugins' as const,
    text: `tool-${n}`,
    why: 'command-missing' as const,
  }))
  const text = planText(plan({ edits, reports }))
  expect(text).toMatch(/MEMORY\.md line 2\n +- see \/home\/ada\/x\n +\+ see \/srv\/ada\/x/)
  expect(text).toContain('Programs that the target does not have:')
  expect(text).toContain('tool-7  (state:config /mcp/7)')
  expect(text).not.toContain('tool-8')
  expect(text).toContain('and 2 more')
})

test('says why in plain words', () => {
  const item = { what: 'interrupted turns', section: 'history' as const, count: 2, bytes: 0 }
  const items = [{ ...item, fate: 'left-behind' as const, why: 'ended-elsewhere' }]
  expect(planText(plan({ items }))).toContain('may have been ended since')
})
