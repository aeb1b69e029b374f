/** A sample of what `npm run proof -- collect` runs 10,000 of. */
import { expect, test } from 'vitest'
import { isOnPostgres } from '../testing/catalog.ts'
import { postgresGround, sqliteGround, sqliteSchema } from '../testing/model/ground.ts'
import { interleave } from '../testing/model/interleave.ts'

// A database that is asked over a wire answers more slowly.
const server = isOnPostgres ? process.env['OCM_TEST_POSTGRES'] : undefined
const cases = Number(process.env['OCM_INTERLEAVINGS'] ?? (server === undefined ? 200 : 6))
const seed = Number(process.env['OCM_SEED'] ?? Date.now() % 1_000_000)

test(
  'no snapshot ever refers to a pack that is not on the disk, whatever comes between what',
  async () => {
    const schema = await sqliteSchema()
    const ground = () => (server === undefined ? sqliteGround(schema) : postgresGround(server))
    const counts: Record<string, number> = {}
    const failures: string[] = []
    for (let i = 0; i < cases; i++) {
      try {
        for (const [what, times] of Object.entries(await interleave(seed + i, await ground()))) {
          counts[what] = (counts[what] ?? 0) + times
        }
      } catch (error) {
        failures.push(String(error))
      }
    }
    console.log(`seed ${seed}: ${cases} interleavings, ${JSON.stringify(counts)}`)
    expect(failures).toEqual([])
    // An order in which nothing comes between proves nothing.
    const rare = ['refused', 'packs deleted', 'undone', 'stolen']
    for (const what of ['committed', 'crashed', ...(cases < 100 ? [] : rare)]) {
      expect(counts[what]).toBeGreaterThan(0)
    }
  },
  cases * 1000 + 60_000,
)
