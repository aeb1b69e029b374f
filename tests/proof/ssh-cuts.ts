/**
 * A lease that is cut at each of its steps, by its connection and by the end of its ssh: over within five seconds,
 * nothing left, the job ends or goes on as it should. `npm run proof -- ssh-cuts`
 */
import { setup } from '../support/build.ts'
import { CUTS, CUT_HOW, startCutScene } from '../support/ssh/cuts.ts'

if (process.env['OCM_DIST'] === undefined) setup()
const scene = await startCutScene()
let [passed, failed] = [0, 0]
try {
  for (const cut of CUTS) {
    for (const how of CUT_HOW) {
      const { ms, lease, job, left, ended } = await scene.play(cut.at, how)
      const said = { at: cut.at, lease: lease.problem?.code ?? lease.state, job, ended }
      const wanted = { job: undefined, ended: undefined, ...cut }
      const isWell =
        left.length === 0 &&
        ms < 5_000 &&
        !lease.held &&
        Object.entries(wanted).every(([key, value]) => said[key as keyof typeof said] === value)
      if (isWell) passed++
      else failed++
      const words = [lease.state, lease.problem?.code, job, ended].filter(Boolean).join(', ')
      console.log(
        `${isWell ? 'well ' : 'WRONG'}  ${cut.at}, ${how}: over after ${Math.round(ms)} ms: ${words}`,
      )
      for (const one of left) console.log(`         left: ${one}`)
    }
  }
} finally {
  await scene.close()
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
