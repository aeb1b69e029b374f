/** Moves to and fro with kills at any moment: who polls meanwhile is counted at the other end. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../bench/random.ts'
import { openclawEnv } from '../openclaw.ts'
import { freePort } from '../free-port.ts'
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
 * What people do without OCM: the home is copied and started, where this may be done on a machine of its own with the
 * same account, else beside it. @param home of a node that speaks
 * @returns how many polled its bot at once
 */
export async function naiveCopy(scene: Scene, home: string, copy: string): Promise<number> {
  const { pair, telegram, token } = scene
  execFileSync('cp', ['-a', home, copy])
  rmSync(join(copy, '.openclaw', 'tmp'), { recursive: true, force: true })
  endLeases(join(copy, '.openclaw', 'state', 'openclaw.sqlite'))
  telegram.forget()
  const program = pair.seats.left.place.openclaw
  const words = [process.execPath, program, 'gateway', 'run', '--port', String(await freePort())]
  const apart = ['--mount', '--uts', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']
  const isAway = process.getuid?.() === 0 && spawnSync('unshare', apart).status === 0
  const [file, ...args] = isAway ? ['sh', '-c', ELSEWHERE, copy, home, ...words] : words
  const child = spawn(file as string, args, {
    cwd: isAway ? '/' : copy,
    env: openclawEnv(isAway ? home : copy),
    stdio: 'ignore',
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  try {
    const polls = () => child.exitCode !== null || telegram.most(token) > 1
    await until(polls, { timeoutMs: scene.patienceMs, what: 'two poll' })
  } finally {
    child.kill('SIGKILL')
    await gone
  }
  return telegram.most(token)
}

/** Its places are the same, its processes and locks others; the network stays, so that the bot is heard of. */
const ELSEWHERE = `
exec unshare --mount --uts --pid --fork --kill-child --mount-proc sh -c '
  set -e
  hostname elsewhere
  mount --bind "$0" "$1"
  mkdir -p /tmp/openclaw-state-locks-0
  mount -t tmpfs tmpfs /tmp/openclaw-state-locks-0
  cd "$1" && shift && exec "$@"
' "$0" "$@"
`

/**
 * A copy is usually started later: five minutes after the copying a gateway is not kept off any more by the lease of the
 * one that was running meanwhile.
 */
function endLeases(file: string): void {
  if (!existsSync(file)) return
  const database = new DatabaseSync(file)
  try {
    const has = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'state_leases'").get()
    if (has) database.exec('UPDATE state_leases SET expires_at = 0')
  } finally {
    database.close()
  }
}
