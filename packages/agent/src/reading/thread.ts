/** A thread that writes files, in synchronous calls and sharing nothing. Orders come in messages, each is answered. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Primitives, free } from '@ocm/protocol'
import { freesWhatItIsHanded, nodePrimitives } from '@ocm/protocol/node'
import { FileWriter } from './file-writer.ts'
import type { Trouble, WriteOrder, Written } from './orders.ts'
import { toTrouble } from './trouble.ts'

export interface ThreadStart {
  /** See `OpenDirectories`. */
  readonly tops: readonly string[]
}

export interface ToThread {
  readonly id: number
  /** Null: the last message. */
  readonly order: WriteOrder | null
}

export interface FromThread {
  readonly id: number
  readonly said: { readonly written: Written } | { readonly trouble: Trouble }
}

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')
const { tops } = workerData as ThreadStart

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
const writer = new FileWriter(p, tops)

function carryOut(order: WriteOrder): FromThread['said'] {
  try {
    return { written: writer.carryOut(order) }
  } catch (error) {
    return { trouble: toTrouble(error) }
  }
}

port.on('message', ({ id, order }: ToThread) => {
  if (order === null) {
    writer.close()
    port.close()
    return
  }
  port.postMessage({ id, said: carryOut(order) } satisfies FromThread)
})
