/**
 * Every system call of a clone, a move, a fence and an undo that changes something is once the last one of its agent; then the
 * same again with a second kill while the agent recovers from the first.
 * `npm run proof -- apply-crash [--seed N] [--twice N]`
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Killing, type Point, type Verdict, WORKS, hasStrace } from '../support/rig/killing.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, twice: { type: 'string', default: '200' } },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const WORKERS = 2
/** Calls that a recovery makes, and how often at most. */
const RECOVERY = [
  ['rename', 12],
  ['fsync', 24],
  ['openat', 400],
  ['unlink', 20],
  ['rmdir', 8],
  ['mkdir', 4],
  ['write', 120],
] as const

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function numbers(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Kill {
  readonly point: Point
  readonly again?: Point
}

async function work(killing: Killing, kills: Kill[]): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  for (let kill = kills.pop(); kill; kill = kills.pop()) {
    const verdict = await killing.kill(kill.point, kill.again)
    verdicts.push(verdict)
    if (verdict.wrong !== '') console.log(JSON.stringify({ ...kill, wrong: verdict.wrong }))
  }
  return verdicts
}

const next = numbers(seed)
const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T

if (await hasStrace()) {
  const folders = Array.from({ length: WORKERS }, () =>
    realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-crash-'))),
  )
  const killings = folders.map((folder) => new Killing(folder))
  try {
    await Promise.all(killings.map((killing) => killing.prepare()))
    const points: Point[] = []
    for (const what of WORKS) {
      const some = (await killings[0]?.points(what)) ?? []
      console.log(`${what}: ${some.length} calls`)
      points.push(...some)
    }
    const kills: Kill[] = points.map((point) => ({ point }))
    for (let i = 0; i < Number(values.twice); i++) {
      const point = one(points)
      const [call, most] = one(RECOVERY)
      kills.push({ point, again: { work: point.work, call, n: 1 + Math.floor(next() * most) } })
    }
    const all = (await Promise.all(killings.map((killing) => work(killing, kills)))).flat()
    const hit = new Set(all.filter((v) => v.hit).map((v) => `${v.work} ${v.call} ${v.n}`))
    const left = { old: 0, new: 0, mixed: 0 }
    for (const verdict of all) left[verdict.left]++
    const failed = all.filter((verdict) => verdict.wrong !== '').length
    const twice = all.filter((verdict) => verdict.hitAgain).length
    console.log(`seed ${seed}: ${hit.size} distinct points hit, ${twice} of them hit again`)
    console.log(`left: ${JSON.stringify(left)}`)
    console.log(`${all.length - failed} passed, ${failed} failed, 0 skipped`)
    process.exitCode = failed === 0 && hit.size > 0 ? 0 : 1
  } finally {
    for (const killing of killings) await killing.close()
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
} else {
  console.log('needs strace')
  console.log('0 passed, 0 failed, 1 skipped')
}
