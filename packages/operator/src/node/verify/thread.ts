/** A thread that looks at packs, in synchronous calls and sharing nothing. Tasks come in messages, each is answered. */
import { parentPort } from 'node:worker_threads'
import { nodePrimitives } from '@ocm/protocol/node'
import { checkPack } from '../../verify/check-pack.ts'
import type { PackTask, PackVerdict, Portion } from '../../verify/task.ts'

export type FromThread =
  | { readonly kind: 'portion'; readonly portion: Portion }
  | { readonly kind: 'verdict'; readonly verdict: PackVerdict }

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')

port.on('message', (task: PackTask | null) => {
  if (task === null) {
    port.close()
    return
  }
  const verdict = checkPack(nodePrimitives, task, (portion) =>
    port.postMessage({ kind: 'portion', portion } satisfies FromThread, [portion.bytes.buffer]),
  )
  port.postMessage({ kind: 'verdict', verdict } satisfies FromThread)
})
