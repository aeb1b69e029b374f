/**
 * A bot that polls is moved between two homes while hub, agents and links are killed and cut at any moment. A Telegram
 * on loopback counts who polls: never two. The control is a copy of the home that is simply started: there it sees two.
 * Gateways stand in for OpenClaw and poll as its channel does; `npm run proof -- move` has cuts with the real one.
 * `npm run proof -- speakers [--seed N] [--moves N]`
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from '../support/build.ts'
import { cutScene } from '../support/moves/cut-scene.ts'
import { naiveCopy, turns } from '../support/moves/speaking.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    moves: { type: 'string', default: '50' },
  },
})
const seed = Number(values.seed)
if (process.env['OCM_DIST'] === undefined) setup()
const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-speakers-')))
const scene = await cutScene(ground)
try {
  const all = await turns(scene, seed, Number(values.moves), (turn) => {
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
  const control = await naiveCopy(scene, scene.pair.seats[speaker].home, join(ground, 'copy'))
  console.log(`seed ${seed}: ${all.length} moves, ${done} done, ${struck} strikes, ${polls} polls`)
  console.log(`most pollers at once: ${most}; of a naive copy: ${control}`)
  const wrong = all.filter((turn) => turn.wrong !== '' || turn.mostPollers > 1).length
  const failed = wrong + (control > 1 ? 0 : 1)
  console.log(`${all.length - wrong + (control > 1 ? 1 : 0)} passed, ${failed} failed, 0 skipped`)
  process.exitCode = failed === 0 && all.length === Number(values.moves) ? 0 : 1
} finally {
  await scene.close()
  rmSync(ground, { recursive: true, force: true })
}
