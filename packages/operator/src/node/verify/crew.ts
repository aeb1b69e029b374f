/** The threads of one verify. */
import { Worker } from 'node:worker_threads'
import { OcmError } from '@ocm/protocol'
import { threadProgram } from './embedded.ts'
import type { PackTask, Portion } from '../../verify/task.ts'
import type { FromThread } from './thread.ts'
import type { Checked, Checkers } from '../../verify/verify.ts'

/** A thread's own heap: what it works on lies outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 96, stackSizeMb: 4 }

interface Work {
  readonly task: PackTask
  readonly hand: (portion: Portion) => void
  readonly done: PromiseWithResolvers<Checked>
}

export interface Crew extends Checkers {
  /** Ends the threads; to be called whatever happened. */
  close(): Promise<void>
}

export function startCrew(threads: number): Crew {
  const queue: Work[] = []
  const idle: Worker[] = []
  const busy = new Map<Worker, Work>()
  let failure: unknown

  const fail = (error: unknown) => {
    failure ??= error
    for (const { done } of [...busy.values(), ...queue.splice(0)]) done.reject(failure)
    busy.clear()
  }
  const next = (worker: Worker) => {
    const work = queue.shift()
    if (!work) {
      idle.push(worker)
      return
    }
    busy.set(worker, work)
    worker.postMessage(work.task, [work.task.stored.buffer])
  }
  const workers = Array.from({ length: threads }, () => {
    const options = { resourceLimits: HEAP, name: 'ocm-verify' }
    const worker =
      threadProgram === undefined
        ? new Worker(new URL('thread.ts', import.meta.url), options)
        : new Worker(threadProgram, { ...options, eval: true })
    worker.on('message', (said: FromThread) => {
      const work = busy.get(worker)
      if (said.kind === 'portion') {
        work?.hand(said.portion)
        return
      }
      busy.delete(worker)
      work?.done.resolve(said)
      next(worker)
    })
    worker.on('error', fail)
    worker.on('exit', () => {
      if (busy.has(worker)) fail(new OcmError('internal', { what: 'thread' }))
    })
    idle.push(worker)
    return worker
  })

  return {
    width: threads,
    check(task, hand) {
      const done = Promise.withResolvers<Checked>()
      if (failure !== undefined) return Promise.reject(failure)
      queue.push({ task, hand, done })
      const free = idle.pop()
      if (free) next(free)
      return done.promise
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}
