/**
 * Random trees through capture, store and reader.
 * `npm run proof -- trees [--seed N] [--count N]`
 */
import { parseArgs } from 'node:util'
import { proveBy } from '../support/by-vitest.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string', default: '10000' },
  },
})
console.log(`seed ${values.seed}, ${values.count} trees`)
proveBy('agent', 'packages/agent/src/capture/trees.test.ts', {
  OCM_SEED: values.seed,
  OCM_TREES: values.count,
})
