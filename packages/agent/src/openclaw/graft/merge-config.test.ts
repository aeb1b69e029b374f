import JSON5 from 'json5'
import { expect, test } from 'vitest'
import type { Graft } from '@ocm/protocol'
import { discover } from '../discovery.ts'
import { tiesInConfig } from './config-ties.ts'
import { mergeConfig } from './merge-config.ts'

const where = discover({ home: '/home/b', env: {}, agentStateDir: '/home/b/agent' })
const graft = (from: string, to: string): Graft => ({
  personas: [{ from, to }],
  cron: [],
  config: [],
  sections: [],
  carried: [],
  shared: [],
})

function merged(own: object, source: object, personas: Graft, isRestore: boolean) {
  const read = (absolute: string) =>
    absolute === where.config ? new TextEncoder().encode(JSON.stringify(own)) : undefined
  const texts = mergeConfig({ where, read, source: source as never, graft: personas, isRestore })
  return JSON5.parse(texts.get(where.config) ?? JSON.stringify(own))
}

const RESTRICTED = { workspace: '/w', tools: { deny: ['exec'] } }
const SOURCE = {
  agents: { ownership: 'explicit', entries: { Work: RESTRICTED, main: { workspace: '/m' } } },
  bindings: [{ agentId: 'Work', match: { channel: 'telegram' } }],
}

test('a persona whose name is written large brings what it may not do, and its bindings', () => {
  const own = { agents: { ownership: 'explicit', entries: { work: {}, x: {} } } }
  const became = merged(own, SOURCE, graft('work', 'work-2'), false)
  expect(became.agents.entries).toEqual({ work: {}, x: {}, 'work-2': RESTRICTED })
  expect(became.bindings).toEqual([{ agentId: 'work-2', match: { channel: 'telegram' } }])
})

test('restored, it takes the place of the one that is written so, and there are not two of it', () => {
  const own = {
    agents: { ownership: 'explicit', entries: { WORK: { workspace: '/w' }, x: {} } },
    bindings: [{ agentId: 'WORK', match: { channel: 'irc' } }],
  }
  const became = merged(own, SOURCE, graft('work', 'work'), true)
  expect(became.agents.entries).toEqual({ WORK: RESTRICTED, x: {} })
  expect(became.bindings).toEqual(SOURCE.bindings)
})

test('its ties go by the id that it is listed by', () => {
  const parts = tiesInConfig(SOURCE).filter(({ part }) => part.kind === 'persona')
  expect(new Set(parts.map(({ part }) => part.name))).toEqual(new Set(['work', 'main']))
})
