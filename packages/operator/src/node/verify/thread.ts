/**
 * A thread that fetches packs and looks at them, sharing nothing: what is done with bytes costs less than to hand them
 * from one thread to another. Tasks come in messages, one at a time; each is answered.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { OcmError, type Primitives, type WireError, free, toWireError } from '@ocm/protocol'
import { freesWhatItIsHanded, nodePrimitives } from '@ocm/protocol/node'
import { ApiClient } from '../../api/client.ts'
import { packTaker } from '../../verify/take-pack.ts'
import type { PackTask, PackVerdict, Portion } from '../../verify/task.ts'
import { bytesFetcher } from '../fetch-bytes.ts'

/** How it reaches the hub. */
export interface Access {
  readonly url: string
  readonly token: string
  readonly certificate?: string
}

export type FromThread =
  | { readonly kind: 'portion'; readonly portion: Portion }
  | { readonly kind: 'verdict'; readonly verdict: PackVerdict }
  | { readonly kind: 'failure'; readonly error: WireError }

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')

freesWhatItIsHanded()

/** What is unpacked was opened for this alone. */
const p: Primitives = {
  ...nodePrimitives,
  unzstd(compressed, plainBytes) {
    const plain = nodePrimitives.unzstd(compressed, plainBytes)
    free(compressed)
    return plain
  },
}

const say = (said: FromThread, moved: ArrayBuffer[] = []) => port.postMessage(said, moved)
const hand = (portion: Portion) => say({ kind: 'portion', portion }, [portion.bytes.buffer])

const { url, token, certificate } = workerData as Access
const takePack = packTaker(
  p,
  new ApiClient({ url, token, fetch, fetchBytes: bytesFetcher(certificate) }),
)

port.on('message', async (task: PackTask) => {
  try {
    say({ kind: 'verdict', verdict: await takePack(task, hand) })
  } catch (error) {
    if (!(error instanceof OcmError)) throw error
    say({ kind: 'failure', error: toWireError(error) })
  }
})
