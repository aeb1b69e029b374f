/** Moves to and fro with kills at any moment: who polls meanwhile is counted at the other end. */
import { execFileSync, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../bench/random.ts'
import { openclawEnv } from '../openclaw.ts'
import { freePort } from '../rig/stand.ts'
import { until } from '../until.ts'
import { type Scene, VICTIMS, judge, strike } from './cuts.ts'
import { type Side, other } from './pair.ts'

export interface Turn {
  readonly number: number
  readonly from: Side
  /** Who was struck, and how many milliseconds after `ocm move` began. */
  readonly strikes: readonly string[]
  readonly ended: string
  /** At any time since the first turn. */
  readonly mostPollers: number
  readonly wrong: string
}

const AWAY_MS = 1500

export async function turns(
  scene: Scene,
  seed: number,
  count: number,
  tell: (turn: Turn) => void = () => undefined,
): Promise<readonly Turn[]> {
  const random = new Random(seed, 'turns')
  const all: Turn[] = []
  let speaker: Side = 'left'
  for (let number = 1; number <= count; number++) {
    const turn = await takeTurn(scene, random, number, speaker)
    all.push(turn)
    tell(turn)
    if (turn.wrong !== '') break
    if (turn.ended === 'done') speaker = other(speaker)
  }
  return all
}

async function takeTurn(scene: Scene, random: Random, number: number, from: Side): Promise<Turn> {
  const { pair, telegram, token } = scene
  const strikes: string[] = []
  const known = pair.lastMove()?.id
  const turn = (ended: string, wrong: string): Turn => ({
    number,
    from,
    strikes,
    ended,
    wrong,
    mostPollers: telegram.most(token),
  })
  try {
    await until(() => pair.isWhole, { timeoutMs: scene.patienceMs, what: 'agents are connected' })
    let hasEnded = false
    const began = performance.now()
    const asked = pair.move(from, ...(scene.options ?? [])).finally(() => {
      hasEnded = true
    })
    for (let left = random.below(3); left > 0; left--) {
      await pause(random.below(scene.moveMs))
      if (hasEnded) break
      const victim = random.of(VICTIMS)
      strikes.push(`${victim} at ${Math.round(performance.now() - began)}`)
      await strike(pair, from, victim, random.below(AWAY_MS), () => undefined)
    }
    await asked
    const isBegun = pair.lastMove()?.id !== known
    const job = isBegun ? await pair.endOfMove(known, scene.patienceMs) : undefined
    const ended = job === undefined ? 'not begun' : job.state
    return turn(ended, await judge(scene, ended === 'done' ? other(from) : from))
  } catch (error) {
    return turn('nothing', `${String(error)}\n${pair.journals()}`)
  }
}

/**
 * What people do without OCM: the home is copied and started. @param home of a node that speaks
 * @returns how many polled its bot at once
 */
export async function naiveCopy(scene: Scene, home: string, copy: string): Promise<number> {
  const { pair, telegram, token } = scene
  execFileSync('cp', ['-a', home, copy])
  rmSync(join(copy, '.openclaw', 'tmp'), { recursive: true, force: true })
  telegram.forget()
  const program = pair.seats.left.place.openclaw
  const port = String(await freePort())
  const child = spawn(process.execPath, [program, 'gateway', 'run', '--port', port], {
    cwd: copy,
    env: openclawEnv(copy),
    stdio: 'ignore',
  })
  try {
    await until(() => telegram.most(token) > 1, { timeoutMs: scene.patienceMs, what: 'two poll' })
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await gone
  }
  return telegram.most(token)
}
