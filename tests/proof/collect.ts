/**
 * Random orders of put, ask, commit, prune, undo, collect, scrub, theft and crash against the store that ships and a model.
 * `npm run proof -- collect [--cases N] [--seed N]`; a seed that failed is played again with `--cases 1 --seed N`.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '10000' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const cases = Number(values.cases)
const WORKERS = Math.min(2, cases)
const program = fileURLToPath(
  new URL('../../packages/hub/src/testing/model/run.ts', import.meta.url),
)

/** Every so manieth seed; answers how many failed. */
const work = (first: number, count: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = ['--seed', String(first), '--step', String(WORKERS), '--cases', String(count)]
    const child = spawn(process.execPath, [program, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (text) => {
      process.stdout.write(text)
      out += text
    })
    child.on('error', reject)
    child.on('close', () => {
      const last = out.trimEnd().split('\n').at(-1) ?? ''
      resolve(last.startsWith('{') ? (JSON.parse(last) as { failed: number }).failed : count)
    })
  })

const shares = Array.from({ length: WORKERS }, (_, i) => Math.ceil((cases - i) / WORKERS))
const failed = (await Promise.all(shares.map((count, i) => work(seed + i, count)))).reduce(
  (sum, one) => sum + one,
  0,
)
console.log(`seed ${seed}: ${cases} interleavings`)
console.log(`${cases - failed} passed, ${failed} failed, 0 skipped`)
process.exitCode = failed === 0 ? 0 : 1
