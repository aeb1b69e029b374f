/**
 * A thread that reads, hashes, compresses and seals for one capture, in synchronous calls and sharing nothing but a
 * table it only reads, memory that one at a time has, and some counters. What it is asked for comes in messages, in order.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type PackClass, type Run, extentKeys } from '@ocm/protocol'
import { freesWhatItIsHanded, nodePrimitives as p } from '@ocm/protocol/node'
import type { ContentSink } from '../capture/contents.ts'
import { Packing } from '../capture/packing.ts'
import { type Done, type Unit, doUnit } from '../capture/units.ts'
import { ExtentTable } from '../store/extent-table.ts'
import { Rooms, type SharedRooms } from './rooms.ts'

/** What a thread is started with. */
export interface ThreadStart {
  readonly run: Run
  /** Names extents; 32 bytes. */
  readonly idKey: Uint8Array
  /** Two numbers: how many packs have been handed over and not yet sent; 1 when nobody wants any more. */
  readonly waiting: SharedArrayBuffer
  /** How many of them may wait, of all threads together. */
  readonly mayWait: number
  /** What packs are made in. */
  readonly rooms: SharedRooms
}

export type ToThread =
  /** The first message: an ExtentTable's memory, and `PackBook.next`. */
  | {
      readonly kind: 'begin'
      readonly known: SharedArrayBuffer
      readonly next: SharedArrayBuffer
    }
  | { readonly kind: 'unit'; readonly id: number; readonly unit: Unit }
  /** Close all packs. */
  | { readonly kind: 'finish' }
  /** The last message: whatever is open is given up. */
  | { readonly kind: 'end' }

export type FromThread =
  | { readonly kind: 'done'; readonly id: number; readonly done: Done }
  | { readonly kind: 'pack'; readonly pack: ThreadPack }
  | { readonly kind: 'finished' }

/** A PackedPack with its index as bytes. */
export interface ThreadPack {
  readonly id: string
  readonly class: PackClass
  readonly bytes: Uint8Array
  /** To be freed when it was sent. */
  readonly room: number
  readonly key: Uint8Array
  readonly header: Uint8Array
  readonly number: number
  readonly plainBytes: number
  readonly extents: Uint8Array
}

const port = parentPort
if (port === null) throw new TypeError('to be started as a thread')
freesWhatItIsHanded()
const start = workerData as ThreadStart
const keys = extentKeys(p, start.idKey)
const waiting = new Int32Array(start.waiting)
const rooms = new Rooms(start.rooms)
const say = (what: FromThread) => port.postMessage(what)

/** In the middle of a unit nobody wants it any more. */
class Ended extends Error {}
const isEnded = () => Atomics.load(waiting, 1) === 1

/** So often a thread that waits looks whether it is to end. */
const LOOK_MS = 1000

/** Where contents go: there from the first message on. */
let sink: ContentSink | undefined

const sinkOver = (known: SharedArrayBuffer, next: SharedArrayBuffer): ContentSink => ({
  p,
  keys,
  packing: new Packing({
    p,
    run: start.run,
    keys,
    known: ExtentTable.over(known),
    next,
    room: () => rooms.take(),
    deliver(pack) {
      // What waits to be sent lies in memory: a slow line slows the reading down.
      for (let held = Atomics.load(waiting, 0); held >= start.mayWait && !isEnded();) {
        Atomics.wait(waiting, 0, held, LOOK_MS)
        held = Atomics.load(waiting, 0)
      }
      if (isEnded()) throw new Ended()
      Atomics.add(waiting, 0, 1)
      const { extents, ...rest } = pack
      const room = rooms.numberOf(rest.bytes)
      say({ kind: 'pack', pack: { ...rest, room, extents: extents.bytes } })
    },
  }),
})

// oxlint-disable-next-line no-restricted-properties -- a clock cannot be handed from one thread to another
const clock = () => Date.now()

/** Units come class by class; a pack that is left open while others are filled would only take memory. */
let current: PackClass | undefined

function act(asked: Exclude<ToThread, { kind: 'end' }>): void {
  if (asked.kind === 'begin') {
    sink = sinkOver(asked.known, asked.next)
    return
  }
  if (sink === undefined) throw new TypeError('begin comes first')
  switch (asked.kind) {
    case 'unit': {
      const { unit, id } = asked
      if (current !== undefined && unit.class !== current) sink.packing.finish([current])
      current = unit.class
      say({ kind: 'done', id, done: doUnit(sink, unit, clock) })
      break
    }
    case 'finish':
      sink.packing.finish(['secret', 'state', 'bulk'])
      say({ kind: 'finished' })
      break
  }
}

port.on('message', (asked: ToThread) => {
  if (asked.kind === 'end') {
    port.close()
  } else if (!isEnded()) {
    try {
      act(asked)
    } catch (error) {
      if (!(error instanceof Ended)) throw error
    }
  }
})
