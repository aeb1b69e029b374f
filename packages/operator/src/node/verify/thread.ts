/** A thread that looks at packs, in synchronous calls and sharing nothing. Tasks come in messages, each is answered. */
import { parentPort } from 'node:worker_threads'
import type { Primitives } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { checkPack } from '../../verify/check-pack.ts'
import { free } from '../../verify/free.ts'
import type { PackTask, PackVerdict, Portion } from '../../verify/task.ts'

export type FromThread =
  | { readonly kind: 'portion'; readonly portion: Portion }
  | {
      readonly kind: 'verdict'
      readonly verdict: PackVerdict
      /** The memory that the pack came in. */
      readonly room: ArrayBuffer
    }

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')

/** What is unpacked was opened for this alone. */
const p: Primitives = {
  ...nodePrimitives,
  unzstd(compressed, plainBytes) {
    const plain = nodePrimitives.unzstd(compressed, plainBytes)
    free(compressed)
    return plain
  },
}

port.on('message', (task: PackTask | null) => {
  if (task === null) {
    port.close()
    return
  }
  const verdict = checkPack(p, task, (portion) =>
    port.postMessage({ kind: 'portion', portion } satisfies FromThread, [portion.bytes.buffer]),
  )
  const room = task.stored.buffer
  port.postMessage({ kind: 'verdict', verdict, room } satisfies FromThread, [room])
})
