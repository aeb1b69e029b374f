/** Who carries out orders: threads of their own, or for little work the thread that asks. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { OcmError, PACK_ROOM, type Primitives } from '@ocm/protocol'
import { giveBack } from '../workers/collect.ts'
import { threadProgram } from './embedded.ts'
import { FileWriter } from './file-writer.ts'
import type { WriteOrder, Written } from './orders.ts'
import type { FromThread, ThreadStart, ToThread } from './thread.ts'
import { fromTrouble } from './trouble.ts'

export interface Crew {
  /** How many orders are worked on at the same time. */
  readonly size: number
  /**
   * Bytes that come in an order are gone afterwards, unless they are shared.
   * @throws what node:fs throws
   */
  carryOut(order: WriteOrder): Promise<Written>
  /**
   * Memory for a pack, which is taken back when the order with it was carried out; undefined when it is not worth it.
   * Shared: what is moved from one thread to another and back looks like new memory to each, and is reason to collect.
   */
  room(bytes: number): SharedArrayBuffer | undefined
  /** Answers when nobody is at work any more. */
  end(): Promise<void>
}

/** Below this much content threads cost more than they bring. */
const MUCH = 16 * 1024 * 1024
const MOST_THREADS = 2
/** So many orders lie ready at each thread, so that it never waits for this one. */
const AHEAD = 2
/** A thread's own heap: what it works on lies outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64, stackSizeMb: 4 }

/**
 * @param tops see `OpenDirectories`.
 * @param bytes that are to be written.
 */
export const crewFor = (p: Primitives, tops: readonly string[], bytes: number): Crew =>
  bytes < MUCH ? crewOfOne(p, tops) : crewOf(Math.min(availableParallelism(), MOST_THREADS), tops)

function crewOfOne(p: Primitives, tops: readonly string[]): Crew {
  const writer = new FileWriter(p, tops)
  return {
    size: 1,
    carryOut: async (order) => writer.carryOut(order),
    room: () => undefined,
    end: async () => writer.close(),
  }
}

function crewOf(count: number, tops: readonly string[]): Crew {
  // What it took to find out what is to be written is not needed beside the threads.
  giveBack()
  const crew = new Threads(count, tops)
  return {
    size: count,
    carryOut: (order) => crew.carryOut(order),
    room: (bytes) => crew.room(bytes),
    async end() {
      await crew.end()
      giveBack()
    },
  }
}

interface Asked {
  readonly order: WriteOrder
  readonly resolve: (written: Written) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly gone: Promise<void>
  given: number
}

class Threads {
  readonly #threads: readonly Thread[]
  readonly #queue: Asked[] = []
  readonly #atWork = new Map<number, Asked>()
  readonly #rooms: SharedArrayBuffer[] = []
  #ids = 0
  #failure: { readonly error: unknown } | undefined

  constructor(count: number, tops: readonly string[]) {
    this.#threads = Array.from({ length: count }, () => this.#start({ tops }))
  }

  #start(workerData: ThreadStart): Thread {
    const options = { workerData, resourceLimits: HEAP, name: 'ocm-reading' }
    const worker =
      threadProgram === undefined
        ? new Worker(new URL('thread.ts', import.meta.url), options)
        : new Worker(threadProgram, { ...options, eval: true })
    const gone = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        this.#fail(new OcmError('internal', { what: 'thread' }))
        resolve()
      })
    })
    const thread: Thread = { worker, gone, given: 0 }
    worker.on('message', (said: FromThread) => this.#hear(thread, said))
    worker.on('error', (error) => this.#fail(error))
    return thread
  }

  carryOut(order: WriteOrder): Promise<Written> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return void reject(this.#failure.error)
      this.#queue.push({ order, resolve, reject })
      this.#feed()
    })
  }

  room(bytes: number): SharedArrayBuffer | undefined {
    if (bytes < PACK_ROOM / 4 || bytes > PACK_ROOM) return undefined
    return this.#rooms.pop() ?? new SharedArrayBuffer(PACK_ROOM)
  }

  async end(): Promise<void> {
    for (const { worker } of this.#threads) {
      worker.postMessage({ id: 0, order: null } satisfies ToThread, [])
    }
    await Promise.all(this.#threads.map(({ gone }) => gone))
  }

  #feed(): void {
    for (let ahead = 1; ahead <= AHEAD; ahead++) {
      for (const thread of this.#threads) {
        if (thread.given >= ahead) continue
        const next = this.#queue.shift()
        if (!next) return
        this.#give(thread, next)
      }
    }
  }

  #give(thread: Thread, asked: Asked): void {
    const id = this.#ids++
    const { order } = asked
    this.#atWork.set(id, asked)
    // After this no packs come.
    if (order.kind === 'finish') this.#rooms.length = 0
    thread.given++
    const moved = buffersOf(order).filter((buffer) => buffer instanceof ArrayBuffer)
    thread.worker.postMessage({ id, order } satisfies ToThread, moved)
  }

  #hear(thread: Thread, { id, said }: FromThread): void {
    const asked = this.#atWork.get(id)
    this.#atWork.delete(id)
    thread.given--
    for (const buffer of asked ? buffersOf(asked.order) : []) {
      if (buffer instanceof SharedArrayBuffer) this.#rooms.push(buffer)
    }
    this.#feed()
    if ('written' in said) asked?.resolve(said.written)
    else asked?.reject(fromTrouble(said.trouble))
  }

  /** Nobody answers any more. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject } of [...this.#atWork.values(), ...this.#queue]) reject(error)
    this.#atWork.clear()
    this.#queue.length = 0
  }
}

const buffersOf = (order: WriteOrder): readonly ArrayBufferLike[] =>
  order.kind === 'pack' ? [...new Set(order.parts.map(({ bytes }) => bytes.buffer))] : []
