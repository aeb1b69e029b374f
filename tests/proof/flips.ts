/**
 * Every bit of every object of a small store, flipped once: packs of each class, snapshot header, vault record, slots.
 * `npm run proof -- flips [--seed N]`
 */
import { parseArgs } from 'node:util'
import { proveBy } from '../support/by-vitest.ts'

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' } } })
proveBy('protocol', 'packages/protocol/src/format/flips.test.ts', {
  OCM_SEED: values.seed,
  OCM_FLIPS: 'all',
})
