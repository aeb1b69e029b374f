/** A sample of what `npm run proof -- collect` runs 10,000 of. */
import { expect, test } from 'vitest'
import { interleave, schemaOf } from '../testing/model/interleave.ts'

const cases = Number(process.env['OCM_INTERLEAVINGS'] ?? 200)
const seed = Number(process.env['OCM_SEED'] ?? Date.now() % 1_000_000)

test(
  'no snapshot ever refers to a pack that is not on the disk, whatever comes between what',
  async () => {
    const schema = await schemaOf()
    const counts: Record<string, number> = {}
    const failures: string[] = []
    for (let i = 0; i < cases; i++) {
      try {
        for (const [what, times] of Object.entries(await interleave(seed + i, schema))) {
          counts[what] = (counts[what] ?? 0) + times
        }
      } catch (error) {
        failures.push(String(error))
      }
    }
    console.log(`seed ${seed}: ${cases} interleavings, ${JSON.stringify(counts)}`)
    expect(failures).toEqual([])
    // An order in which nothing comes between proves nothing.
    for (const what of ['committed', 'refused', 'packs deleted', 'undone', 'crashed', 'stolen']) {
      expect(counts[what]).toBeGreaterThan(0)
    }
  },
  cases * 1000 + 60_000,
)
