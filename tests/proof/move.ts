/**
 * A move that is cut at everything that it journals: kill -9 of hub, source and target, and a cut of each link, at each
 * of these points. Small nodes under a gateway that stands in for OpenClaw, then some with the real one.
 * `npm run proof -- move [--seed N] [--cuts N] [--real N]`
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from '../support/build.ts'
import { cutsOf, drawn, playAll, shuffled } from '../support/moves/playing.ts'
import { cutScene } from '../support/moves/cut-scene.ts'
import { type Verdict, pointsOf } from '../support/moves/cuts.ts'
import { realScene } from '../support/moves/real-scene.ts'
import { naiveCopy } from '../support/moves/speaking.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    cuts: { type: 'string', default: '1000' },
    real: { type: 'string', default: '10' },
  },
})
const seed = Number(values.seed)
if (process.env['OCM_DIST'] === undefined) setup()
const verdicts: Verdict[] = []
const say = (verdict: Verdict) => {
  verdicts.push(verdict)
  const { point, victim, met, ended, seconds, wrong } = verdict
  const how = wrong === '' ? 'well' : `WRONG: ${wrong}`
  console.log(
    `${victim.padEnd(12)} ${point.when} ${point.label.padEnd(26)} ${met ? '' : '(not met) '}${ended}, ${seconds} s, ${how}`,
  )
}
let control: number | undefined
const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-move-')))
try {
  if (Number(values.cuts) > 0) {
    const scene = await cutScene(ground)
    try {
      const points = await pointsOf(scene, 'left')
      const cuts = shuffled(seed, cutsOf(points)).slice(0, Number(values.cuts))
      console.log(`seed ${seed}: ${points.length} points, ${cuts.length} cuts`)
      await playAll(scene, 'right', cuts, seed, say)
    } finally {
      await scene.close()
    }
  }
  if (Number(values.real) > 0) {
    const scene = await realScene(join(ground, 'real'))
    try {
      const points = await pointsOf(scene, 'left')
      const cuts = drawn(seed, cutsOf(points), Number(values.real))
      console.log(`with real gateways: ${cuts.length} cuts`)
      await playAll(scene, 'right', cuts, seed, say)
      // The control: that the same bot is polled twice is seen.
      const speaker = (await scene.pair.ready())[0] ?? 'left'
      const { home } = scene.pair.seats[speaker]
      control = await naiveCopy(scene, home, join(ground, 'copy'))
      console.log(
        `OpenClaw's own channel: ${scene.telegram.polls(scene.token)} polls; a naive copy: ${control} pollers at once`,
      )
    } finally {
      await scene.close()
    }
  }
} finally {
  rmSync(ground, { recursive: true, force: true })
}
const wrong =
  verdicts.filter((verdict) => verdict.wrong !== '').length +
  (control === undefined || control > 1 ? 0 : 1)
const met = verdicts.filter((verdict) => verdict.met)
const points = new Set(met.map(({ point, victim }) => `${point.when} ${point.label} ${victim}`))
const ends = Object.groupBy(met, ({ ended }) => ended)
console.log(`${points.size} distinct cut points met`)
for (const [ended, of] of Object.entries(ends)) console.log(`  ${ended}: ${of?.length}`)
const played = verdicts.length + (control === undefined ? 0 : 1)
console.log(`${played - wrong} passed, ${wrong} failed, 0 skipped`)
process.exitCode = wrong === 0 && met.length > 0 ? 0 : 1
