/** A thread that writes files, in synchronous calls and sharing nothing. Orders come in messages, each is answered. */
import { parentPort, workerData } from 'node:worker_threads'
import { nodePrimitives } from '@ocm/protocol/node'
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
  /** The memory that the pack came in, for the next one. */
  readonly room?: ArrayBuffer
}

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')
const { tops } = workerData as ThreadStart
const writer = new FileWriter(nodePrimitives, tops)

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
  const said = carryOut(order)
  const buffer = order.kind === 'pack' && order.parts.length === 1 && order.parts[0]?.bytes.buffer
  if (buffer instanceof ArrayBuffer) port.postMessage({ id, said, room: buffer }, [buffer])
  else port.postMessage({ id, said } satisfies FromThread)
})
