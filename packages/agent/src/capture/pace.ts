/** Lets the event loop breathe: heartbeats of the link go on while a capture reads, compresses and seals. */
import { setImmediate } from 'node:timers/promises'
import { OcmError } from '@ocm/protocol'

/** How long work goes on without a pause. */
const STRETCH_MS = 20

/**
 * To be called between pieces of work; the promise is to be awaited if there is one.
 * @throws OcmError 'job-cancelled'
 */
export type Pace = () => Promise<unknown> | undefined

export function pacer(signal?: AbortSignal): Pace {
  let since = performance.now()
  const pause = async () => {
    await setImmediate()
    since = performance.now()
  }
  return () => {
    if (signal?.aborted === true) throw new OcmError('job-cancelled')
    return performance.now() - since < STRETCH_MS ? undefined : pause()
  }
}
