/**
 * Cuts a move at each thing that it journals: hub, source or target is killed there, or its link is cut, and comes
 * back. Afterwards one gateway speaks, and the node's cron jobs are there once.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../until.ts'
import type { Met } from './halting.ts'
import { type Pair, type Side, SIDES, other } from './pair.ts'
import type { Telegram } from './telegram.ts'

export const VICTIMS = ['hub', 'source', 'target', 'source-link', 'target-link'] as const
export type Victim = (typeof VICTIMS)[number]

export interface Cut {
  readonly point: Met
  readonly victim: Victim
}

export interface Verdict extends Cut {
  /** Whether the move came by there: after a change in timing it may take another course. */
  readonly met: boolean
  readonly ended: string
  readonly seconds: number
  /** '' when all is well. */
  readonly wrong: string
}

export interface Scene {
  readonly pair: Pair
  readonly telegram: Telegram
  readonly token: string
  /** Ids of the cron jobs at a home, null where no node is. */
  readonly jobsAt: (home: string) => readonly string[] | null
  readonly jobs: readonly string[]
  /** More words for `ocm move`. */
  readonly options?: readonly string[]
  readonly patienceMs: number
  /** About so long takes a move in which nobody is struck. */
  readonly moveMs: number
}

/** Moves it once without a cut. @returns each point that was journalled on the way, in order. */
export async function pointsOf(scene: Scene, from: Side): Promise<readonly Met[]> {
  const { pair } = scene
  const halts = haltsOf(pair, from)
  for (const halting of Object.values(halts)) halting.clear()
  scene.telegram.forget()
  const answer = await pair.move(from, ...(scene.options ?? []))
  if (answer.code !== 0) throw new Error(`the undisturbed move failed: ${answer.out}${answer.err}`)
  const wrong = await judge(scene, other(from))
  if (wrong !== '') throw new Error(`the undisturbed move: ${wrong}`)
  const met = Object.entries(halts)
    .flatMap(([role, halting]) => halting.trace.filter(({ label }) => label.startsWith(role)))
    .toSorted((a, b) => a.at - b.at)
  const once = new Map(met.map(({ label, when }) => [`${label} ${when}`, { label, when }]))
  return [...once.values()]
}

const haltsOf = (pair: Pair, from: Side) => ({
  hub: pair.hubHalting,
  source: pair.seats[from].halting,
  target: pair.seats[other(from)].halting,
})

/** @param from where it speaks now. @param delayMs before what was cut comes back. */
export async function play(scene: Scene, from: Side, cut: Cut, delayMs: number): Promise<Verdict> {
  const { pair } = scene
  const { point, victim } = cut
  const began = performance.now()
  const role = point.label.split(' ')[0] as 'hub' | 'source' | 'target'
  const halting = haltsOf(pair, from)[role]
  const known = pair.lastMove()?.id
  const verdict = (met: boolean, ended: string, wrong: string): Verdict => ({
    ...cut,
    met,
    ended,
    seconds: Math.round((performance.now() - began) / 1000),
    wrong,
  })
  await until(() => pair.isWhole, { timeoutMs: scene.patienceMs, what: 'agents are connected' })
  scene.telegram.forget()
  halting.order(point, victim === role ? 'die' : 'stand')
  let hasAnswered = false
  const asked = pair.move(from, ...(scene.options ?? [])).finally(() => {
    hasAnswered = true
  })
  try {
    await until(() => halting.isMet || hasAnswered, {
      timeoutMs: scene.patienceMs,
      what: `the move comes to ${point.label}`,
      everyMs: 10,
    })
    const met = halting.isMet
    if (met) await strike(pair, from, victim, delayMs, () => halting.go())
    const { out } = await asked
    // A hub that dies before it has written an order down has not got it; nothing begins.
    if (pair.lastMove()?.id === known && out !== '') {
      return verdict(met, 'not begun', await judge(scene, from))
    }
    const job = await pair.endOfMove(known, scene.patienceMs)
    const ended = job.error === null ? job.state : `${job.state} ${job.error}`
    const speaker = job.state === 'done' ? other(from) : from
    return verdict(met, ended, await judge(scene, speaker))
  } catch (error) {
    return verdict(halting.isMet, 'nothing', `${String(error)}\n${pair.journals()}`)
  } finally {
    halting.clear()
  }
}

/** Kills or cuts off, and brings back. @param go lets what stands still at a point go on. */
export async function strike(
  pair: Pair,
  from: Side,
  victim: Victim,
  delayMs: number,
  go: () => void,
): Promise<void> {
  const side = victim.startsWith('source') ? from : other(from)
  if (victim === 'hub') {
    await pair.killHub()
    go()
    await pause(delayMs)
    await pair.runHub()
  } else if (victim.endsWith('-link')) {
    pair.seats[side].wire.cut()
    go()
    await pause(delayMs)
    pair.seats[side].wire.mend()
  } else {
    await pair.killAgent(side)
    go()
    await pause(delayMs)
    pair.runAgent(side)
  }
}

/** @param speaker who is to speak. @returns what is wrong, '' for nothing */
export async function judge(scene: Scene, speaker: Side): Promise<string> {
  const { pair, telegram, token, jobs } = scene
  let ready: readonly Side[] = []
  try {
    await until(
      async () => {
        ready = await pair.ready()
        return ready.length === 1 && ready[0] === speaker && telegram.pollers(token) === 1
      },
      { timeoutMs: scene.patienceMs, what: 'one speaks' },
    )
  } catch {
    return `${speaker} should speak, but ready: ${ready.join(' and ') || 'none'}, ${telegram.pollers(token)} poll`
  }
  const wrong: string[] = []
  if (telegram.most(token) > 1) wrong.push(`${telegram.most(token)} polled at once`)
  for (const side of SIDES) {
    const found = scene.jobsAt(pair.seats[side].home)
    const wanted = side === speaker ? [...jobs].toSorted() : null
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      wrong.push(`${side} has the jobs ${found?.join(', ') ?? 'of nobody'}`)
    }
  }
  return wrong.join('; ')
}
