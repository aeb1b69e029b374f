/** A move that is watched: how long nobody speaks, and whose time that is. */
import { gatewayPid } from '../node-state.ts'
import { isReady } from '../openclaw.ts'
import { until } from '../until.ts'
import { type Pair, type Side, other } from './pair.ts'

export interface Downtime {
  /** From the signal that ends the old gateway to the answer of the new one that it is ready. */
  readonly seconds: number
  /** Of these: between the end of the one and the start of the other, which is OCM's doing. */
  readonly own: number
  readonly openclawStop: number
  readonly openclawStart: number
  /** What `own` is made of, in seconds. */
  readonly steps: Readonly<Record<string, number>>
}

const rounded = (ms: number): number => Math.round(ms) / 1000

/**
 * @param atFence is done when the base is staged and the source still runs: the delta.
 * @throws Error when the move fails
 */
export async function watchMove(
  pair: Pair,
  from: Side,
  options: readonly string[],
  atFence: () => void,
): Promise<Downtime> {
  const [source, target] = [pair.seats[from], pair.seats[other(from)]]
  for (const halting of [source.halting, target.halting]) halting.clear()
  pair.hubHalting.order({ label: 'hub fence running 1', when: 'before' }, 'stand')
  const answered = successOf(pair.move(from, ...options))
  const patience = { timeoutMs: 1_800_000, everyMs: 10 }
  await Promise.race([
    answered,
    until(() => pair.hubHalting.isMet, { ...patience, what: 'the base is staged' }),
  ])
  atFence()
  pair.hubHalting.go()
  await until(() => gatewayPid(source.home) === undefined, { ...patience, what: 'it has stopped' })
  const gone = Date.now()
  await until(() => isReady(target.port), { ...patience, what: 'it is ready there' })
  const ready = Date.now()
  await answered

  const last = (seat: typeof source, label: RegExp) => {
    const met = seat.halting.trace.findLast((one) => label.test(one.label))
    if (!met) throw new Error(`nothing was noted of ${String(label)}`)
    return met.at
  }
  const marks = {
    'delta, fence': last(source, /^source fenced/),
    'delta staged': last(target, /^target staged/),
    swapped: last(target, /^target swapped/),
    'checked, spoke': last(target, /^target spoke/),
    launched: last(target, /^SPAWN/),
  }
  const signalled = last(source, /^SIGTERM/)
  let before = gone
  const steps: Record<string, number> = {}
  for (const [name, at] of Object.entries(marks)) {
    steps[name] = rounded(at - before)
    before = at
  }
  return {
    seconds: rounded(ready - signalled),
    own: rounded(marks.launched - gone),
    openclawStop: rounded(gone - signalled),
    openclawStart: rounded(ready - marks.launched),
    steps,
  }
}

async function successOf(asked: ReturnType<Pair['move']>): Promise<void> {
  const { code, out, err } = await asked
  if (code !== 0) throw new Error(`the move failed: ${out}${err}`)
}
