/**
 * A bot that polls is moved between two homes while hub, agents and links are killed and cut at any moment. A Telegram
 * on loopback counts who polls: never two. The control is a copy of the home that is simply started: there it sees two.
 * First gateways that stand in for OpenClaw and poll as its channel does; then OpenClaw's own Telegram channel.
 * `npm run proof -- speakers [--seed N] [--moves N] [--real N]`
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from '../support/build.ts'
import { cutScene } from '../support/moves/cut-scene.ts'
import type { Scene } from '../support/moves/cuts.ts'
import { realScene } from '../support/moves/real-scene.ts'
import { naiveCopy, turns } from '../support/moves/speaking.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    moves: { type: 'string', default: '50' },
    real: { type: 'string', default: '4' },
  },
})
const seed = Number(values.seed)
if (process.env['OCM_DIST'] === undefined) setup()
const tally = { passed: 0, failed: 0 }

async function watched(
  what: string,
  scene: Scene & { close(): Promise<void> },
  moves: number,
  copy: string,
): Promise<void> {
  try {
    const all = await turns(scene, seed, moves, (turn) => {
      const { number, from, strikes, ended, mostPollers, wrong } = turn
      console.log(
        `${number} from ${from}: ${ended}; struck ${strikes.join(', ') || 'nobody'}; most pollers ${mostPollers}${wrong && `; WRONG: ${wrong}`}`,
      )
    })
    const most = Math.max(...all.map(({ mostPollers }) => mostPollers))
    const done = all.filter(({ ended }) => ended === 'done').length
    const struck = all.reduce((sum, { strikes }) => sum + strikes.length, 0)
    const polls = scene.telegram.polls(scene.token)
    const speaker = (await scene.pair.ready())[0] ?? 'left'
    const control = await naiveCopy(scene, scene.pair.seats[speaker].home, copy)
    console.log(
      `${what}, seed ${seed}: ${all.length} moves, ${done} done, ${struck} strikes, ${polls} polls`,
    )
    console.log(`most pollers at once: ${most}; of a naive copy: ${control}`)
    const wrong = all.filter((turn) => turn.wrong !== '' || turn.mostPollers > 1).length
    tally.passed += all.length - wrong + (control > 1 ? 1 : 0)
    // What was not played any more after something went wrong has not passed.
    tally.failed += wrong + (control > 1 ? 0 : 1) + (wrong === 0 ? moves - all.length : 0)
  } finally {
    await scene.close()
  }
}

const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-speakers-')))
try {
  const [moves, real] = [Number(values.moves), Number(values.real)]
  if (moves > 0) {
    await watched('stand-ins', await cutScene(join(ground, 'small')), moves, join(ground, 'copy'))
  }
  if (real > 0) {
    const scene = await realScene(join(ground, 'real'))
    await watched("OpenClaw's own channel", scene, real, join(ground, 'real-copy'))
  }
} finally {
  rmSync(ground, { recursive: true, force: true })
}
console.log(`${tally.passed} passed, ${tally.failed} failed, 0 skipped`)
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1
