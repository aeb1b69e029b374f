/** The threads of one verify. */
import { Worker } from 'node:worker_threads'
import { OcmError, fromWireError } from '@ocm/protocol'
import type { PackTask, PackVerdict, Portion } from '../../verify/task.ts'
import type { Checkers } from '../../verify/verify.ts'
import { threadProgram } from './embedded.ts'
import type { Access, FromThread } from './thread.ts'

/** A thread's own heap: what it works on lies outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 96, stackSizeMb: 4 }

interface Work {
  readonly task: PackTask
  readonly hand: (portion: Portion) => void
  readonly done: PromiseWithResolvers<PackVerdict>
}

export interface Crew extends Checkers {
  /** Ends the threads; to be called whatever happened. */
  close(): Promise<void>
}

export function startCrew(threads: number, access: Access): Crew {
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
    worker.postMessage(work.task, [])
  }
  const workers = Array.from({ length: threads }, () => {
    const options = { resourceLimits: HEAP, name: 'ocm-verify', workerData: access }
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
      if (said.kind === 'verdict') work?.done.resolve(said.verdict)
      else work?.done.reject(fromWireError(said.error))
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
      const done = Promise.withResolvers<PackVerdict>()
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
