/** `node run.ts --cases N --seed N [--step N]`: prints each order that fails, then one line of JSON with the counts. */
import { parseArgs } from 'node:util'
import { sqliteGround, sqliteSchema } from './ground.ts'
import { interleave } from './interleave.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    step: { type: 'string', default: '1' },
  },
})
const [cases, seed, step] = [Number(values.cases), Number(values.seed), Number(values.step)]
const schema = await sqliteSchema()
const counts: Record<string, number> = {}
let failed = 0
for (let i = 0; i < cases; i++) {
  try {
    for (const [what, times] of Object.entries(
      await interleave(seed + i * step, await sqliteGround(schema)),
    )) {
      counts[what] = (counts[what] ?? 0) + times
    }
  } catch (error) {
    failed++
    console.log(String(error))
  }
  if ((i + 1) % 500 === 0) console.log(`${i + 1} orders, ${failed} failed`)
}
console.log(JSON.stringify({ cases, failed, counts }))
