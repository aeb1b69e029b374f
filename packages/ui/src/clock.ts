/** A clock that ticks once a second, so that ages on the page do not stand still. */
import { type InjectionKey, type Ref, inject, onScopeDispose, readonly, ref } from 'vue'

export interface Clock {
  readonly now: Readonly<Ref<number>>
  stop(): void
}

export function tickingClock(now: () => number, everyMs = 1000): Clock {
  const at = ref(now())
  const timer = setInterval(() => (at.value = now()), everyMs)
  return { now: readonly(at), stop: () => clearInterval(timer) }
}

export const CLOCK: InjectionKey<Clock> = Symbol('clock')

/** Milliseconds since 1970 by this browser's clock, rising. */
export function useNow(): Readonly<Ref<number>> {
  const clock = inject(CLOCK)
  if (clock === undefined) throw new Error('no clock was provided')
  return clock.now
}

/** Runs `work` every `everyMs` until the component is gone. */
export function useInterval(work: () => void, everyMs: number): void {
  const timer = setInterval(work, everyMs)
  onScopeDispose(() => clearInterval(timer))
}
