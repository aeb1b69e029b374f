/**
 * The matrix of moves: each with a populated home of the real OpenClaw, checked by what OpenClaw lists and by a scan of
 * the whole moved tree. `--stand-in`: the target's gateway is one that stands in; everything else stays.
 * `--real-source`: the source runs under the real one too.
 * `--few`: of the lists, personas and cron jobs. `--from N --count N`: some of the rows. Each row says what it has
 * looked at. `npm run proof -- moves [--only TEXT] [--from N] [--count N] [--stand-in] [--real-source] [--few]`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from '../support/build.ts'
import { startFleet } from '../support/fleet.ts'
import { NAMES } from '../support/canaries.ts'
import { listed, seatAt } from '../support/moves/lists.ts'
import { ROWS } from '../support/moves/matrix.ts'
import { playRow } from '../support/moves/row.ts'
import { SPECIAL } from '../support/moves/special.ts'
import { standIn } from '../support/moves/stand-in.ts'
import { OPENCLAW } from '../support/openclaw.ts'
import { freshMachine, populatedHome } from '../support/openclaw-home.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    'stand-in': { type: 'boolean' },
    'real-source': { type: 'boolean' },
    few: { type: 'boolean' },
  },
})
if (process.env['OCM_DIST'] === undefined) setup()
const ground = freshMachine('moves')
const fleet = await startFleet(ground)
// Where all is asked for, the real one judges what is staged, too.
const program = standIn(join(ground, 'stand-in'), { asksReal: values.few !== true })
const openclaw = values['stand-in'] ? program : OPENCLAW
const depth = values.few ? 'few' : 'all'
const before = await listed(seatAt(await populatedHome()), NAMES.persona, depth)
const play = {
  fleet,
  standIn: program,
  openclaw,
  depth,
  before,
  ...(values['real-source'] && { source: OPENCLAW }),
} as const
const tally = { passed: 0, failed: 0, skipped: 0 }
try {
  const rows = [
    ...ROWS.map((row, i) => ({ ...row, play: () => playRow(play, row, i) })),
    ...SPECIAL.map((row, i) => ({ ...row, play: () => row.run(play, ROWS.length + i) })),
  ]
  const [first, count] = [Number(values.from) - 1, Number(values.count)]
  for (const row of rows.slice(first, first + count)) {
    if (!row.name.includes(values.only)) continue
    const began = performance.now()
    if (row.needs === 'root' && process.getuid?.() !== 0) {
      tally.skipped++
      console.log(`skipped  ${row.name}: needs root`)
      continue
    }
    const wrong = await row.play().catch((error: unknown) => [String(error)])
    const seconds = Math.round((performance.now() - began) / 1000)
    if (wrong.length === 0) tally.passed++
    else tally.failed++
    console.log(`${wrong.length === 0 ? 'well   ' : 'WRONG  '}  ${row.name} (${seconds} s)`)
    for (const one of wrong) console.log(`           ${one}`)
  }
} finally {
  await fleet.stop()
}
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`)
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1
