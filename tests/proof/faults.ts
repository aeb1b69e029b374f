/**
 * What goes wrong in a move with gateways of the real OpenClaw: both sides are as before, and the source speaks again.
 * `npm run proof -- faults [--only TEXT]`; tests/move-faults.test.ts has more of them, with gateways that stand in.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from '../support/build.ts'
import { REAL_FAULTS } from '../support/moves/real-faults.ts'
import { freshMachine } from '../support/openclaw-home.ts'

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
if (process.env['OCM_DIST'] === undefined) setup()
const tally = { passed: 0, failed: 0, skipped: 0 }
for (const { name, needs, run } of REAL_FAULTS) {
  if (!name.includes(values.only)) continue
  if (needs === 'root' && process.getuid?.() !== 0) {
    tally.skipped++
    console.log(`skipped  ${name}: needs root`)
    continue
  }
  const began = performance.now()
  const wrong = await run(join(freshMachine('faults'), 'ground')).catch((error: unknown) => [
    String(error),
  ])
  const seconds = Math.round((performance.now() - began) / 1000)
  if (wrong.length === 0) tally.passed++
  else tally.failed++
  console.log(`${wrong.length === 0 ? 'well   ' : 'WRONG  '}  ${name} (${seconds} s)`)
  for (const one of wrong) console.log(`           ${one}`)
}
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`)
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1
