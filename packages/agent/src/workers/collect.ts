import { collectGarbage } from '@ocm/protocol/node'

/**
 * What threads leave behind is tens of megabytes outside of V8's heap, which V8 does not see and an agent that idles
 * would keep for hours.
 */
export const collectAll = (): void => collectGarbage({ type: 'major', flavor: 'regular' })

/**
 * Before much memory is needed for something else: room for young objects above all goes back to the system, which V8
 * keeps once it was needed. After a large snapshot was decoded that is more than a hundred megabytes.
 */
export const giveBack = (): void => collectGarbage({ type: 'major', flavor: 'last-resort' })

/** Until then nothing refers any more to what a run held. */
const PAUSE_MS = 1000
let waiting: NodeJS.Timeout | undefined

/**
 * To be called at the end of a run: a moment later memory goes back to the system. V8 keeps the pages it has emptied for
 * as long as a process idles, unless it collects as its last resort.
 */
export function collectSoon(): void {
  clearTimeout(waiting)
  waiting = setTimeout(giveBack, PAUSE_MS)
  waiting.unref()
}
