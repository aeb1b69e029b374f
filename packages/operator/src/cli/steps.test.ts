import type { Job } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { tellSteps } from './steps.ts'
import type { Terminal } from './terminal.ts'

test('says how long a gateway may take to stop, and each change once', () => {
  const said: string[] = []
  const tell = tellSteps({ say: (line: string) => said.push(line) } as unknown as Terminal)
  for (const phase of ['stopping', 'stopping', 'fencing']) {
    const progress = { done: 0, total: 0, unit: 'items' as const }
    const step = { name: 'fence', state: 'running', phase, progress, startedAt: 0, endedAt: null }
    tell({ state: 'running', steps: [step] } as unknown as Job)
  }
  expect(said).toEqual([
    '… fence: stopping the gateway; OpenClaw waits for turns that are under way, up to 330 s',
    '… fence: fencing',
  ])
})
