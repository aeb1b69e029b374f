/** The threads of one capture: started when there is much to read, gone when it is read. */
import { Worker } from 'node:worker_threads'
import { OcmError, type Run } from '@ocm/protocol'
import type { PackedPack } from '../capture/packing.ts'
import type { Done, Unit } from '../capture/units.ts'
import { ExtentTable } from '../store/extent-table.ts'
import { threadProgram } from './embedded.ts'
import { Rooms } from './rooms.ts'
import type { FromThread, ThreadPack, ThreadStart, ToThread } from './thread.ts'

export interface CrewParts {
  readonly run: Run
  /** Names extents. */
  readonly idKey: Uint8Array
  readonly threads: number
  /** Answers when the pack need not be held any longer. */
  readonly send: (pack: PackedPack) => Promise<void>
}

/** So many units lie ready at each thread, so that it never waits for this one. */
const AHEAD = 3
/** Packs of all threads that are on their way; each of them is 16 MiB of memory. */
const MAY_WAIT = 2
/** A read from a network file system may take as long as this; a thread that still hangs then is ended from outside. */
const HUNG_MS = 30_000
/** A thread's own heap: what it works on lies outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128, stackSizeMb: 4 }

interface Thread {
  readonly worker: Worker
  readonly gone: Promise<void>
  /** Units it has been given and not done. */
  given: number
  finished: boolean
}

export class Crew {
  readonly #parts: CrewParts
  readonly #waiting = new SharedArrayBuffer(8)
  readonly #rooms: Rooms
  readonly #threads: readonly Thread[]
  readonly #queue: { readonly id: number; readonly unit: Unit }[] = []
  readonly #pending = new Map<number, (done: Done) => void>()
  readonly #sending = new Set<Promise<void>>()
  readonly #failure: PromiseWithResolvers<never> = Promise.withResolvers<never>()
  #finished: PromiseWithResolvers<void> | undefined
  #ids = 0
  #ended = false

  constructor(parts: CrewParts) {
    this.#parts = parts
    // Whoever waits for this crew hears of it; nobody has to.
    this.#failure.promise.catch(() => undefined)
    // One is open at each thread while others are on their way.
    this.#rooms = Rooms.create(parts.threads + MAY_WAIT)
    const start: ThreadStart = {
      run: parts.run,
      idKey: parts.idKey,
      waiting: this.#waiting,
      mayWait: MAY_WAIT,
      rooms: this.#rooms.shared,
    }
    this.#threads = Array.from({ length: parts.threads }, () => this.#start(start))
  }

  /**
   * To be called once, before anything is asked for.
   * @param of.known what may be referred to, under numbers of the PackBook
   * @param of.next `PackBook.next`
   */
  begin({ known, next }: { readonly known: ExtentTable; readonly next: SharedArrayBuffer }): void {
    const table = known.toShared()
    for (const thread of this.#threads) tell(thread, { kind: 'begin', known: table, next })
  }

  #start(workerData: ThreadStart): Thread {
    const options = { workerData, resourceLimits: HEAP, name: 'ocm-capture' }
    const worker =
      threadProgram === undefined
        ? new Worker(new URL('thread.ts', import.meta.url), options)
        : new Worker(threadProgram, { ...options, eval: true })
    const gone = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        this.#failure.reject(new OcmError('internal', { what: 'thread' }))
        resolve()
      })
    })
    const thread: Thread = { worker, gone, given: 0, finished: false }
    worker.on('message', (said: FromThread) => this.#hear(thread, said))
    worker.on('error', (error) => this.#failure.reject(error))
    return thread
  }

  /** Any thread does it, in about the order of asking. @throws what a thread or an upload failed with */
  do(unit: Unit): Promise<Done> {
    const id = this.#ids++
    const done = new Promise<Done>((resolve) => {
      this.#pending.set(id, resolve)
    })
    this.#queue.push({ id, unit })
    this.#feed()
    return Promise.race([done, this.#failure.promise])
  }

  /** Closes all packs; answers when they are sent. To be called when all units are done. */
  async finish(): Promise<void> {
    this.#finished = Promise.withResolvers<void>()
    for (const thread of this.#threads) tell(thread, { kind: 'finish' })
    await Promise.race([this.#finished.promise, this.#failure.promise])
    await Promise.race([Promise.all(this.#sending), this.#failure.promise])
  }

  /**
   * Answers when no thread is left, whatever it was doing. They end by themselves, because ending one from outside while it
   * loads its program or works in a native call can end the whole process; but for one that hangs.
   */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const waiting = new Int32Array(this.#waiting)
    Atomics.store(waiting, 1, 1)
    Atomics.notify(waiting, 0)
    const hung = setTimeout(() => {
      for (const { worker } of this.#threads) void worker.terminate()
    }, HUNG_MS)
    for (const thread of this.#threads) tell(thread, { kind: 'end' })
    await Promise.all(this.#threads.map(({ gone }) => gone))
    clearTimeout(hung)
  }

  #feed(): void {
    for (let ahead = 1; ahead <= AHEAD; ahead++) {
      for (const thread of this.#threads) {
        if (thread.given >= ahead) continue
        const next = this.#queue.shift()
        if (!next) return
        thread.given++
        tell(thread, { kind: 'unit', ...next })
      }
    }
  }

  #hear(thread: Thread, said: FromThread): void {
    switch (said.kind) {
      case 'done':
        thread.given--
        this.#pending.get(said.id)?.(said.done)
        this.#pending.delete(said.id)
        this.#feed()
        break
      case 'pack': {
        const sending = this.#send(said.pack).finally(() => this.#sending.delete(sending))
        this.#sending.add(sending)
        break
      }
      case 'finished':
        thread.finished = true
        if (this.#threads.every(({ finished }) => finished)) this.#finished?.resolve()
        break
    }
  }

  async #send({ bytes, room, extents, ...pack }: ThreadPack): Promise<void> {
    try {
      const table = ExtentTable.fromBytes(extents, 1)
      if (!table) throw new OcmError('internal', { what: 'thread' })
      await this.#parts.send({ ...pack, bytes, extents: table })
    } catch (error) {
      this.#failure.reject(error)
      return
    }
    // Before the thread that waits for this is woken: it takes one next.
    this.#rooms.free(room)
    const waiting = new Int32Array(this.#waiting)
    Atomics.sub(waiting, 0, 1)
    Atomics.notify(waiting, 0)
  }
}

const tell = ({ worker }: Thread, what: ToThread): void => worker.postMessage(what, [])
