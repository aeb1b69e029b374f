import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/**
 * What threads leave behind is tens of megabytes outside of V8's heap, which V8 does not see and an agent that idles
 * would keep for hours.
 */
export function collectAll(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
