/** A request of the other side, from the question to the last byte of either body. Answered exactly once. */
import { OcmError, toWireError } from '../errors.ts'
import type { Answer, Body } from './calls.ts'
import { creditFrame, frame, messageFrames } from './frame.ts'
import { Incoming } from './incoming.ts'
import type { Outbox } from './outbox.ts'
import { Outgoing } from './outgoing.ts'

export interface AnsweringParts {
  readonly call: number
  readonly hasBody: boolean
  readonly outbox: Outbox
  /** Answered, and both bodies at their end. */
  readonly over: () => void
  /** Told of what the other side learns only as 'internal'. */
  readonly fault: (error: unknown) => void
}

/** What a handler is, once params are checked. */
export type Work = (body: Body, signal: AbortSignal) => Promise<unknown>

export class Answering {
  readonly #parts: AnsweringParts
  readonly #controller = new AbortController()
  #answered = false
  #up: Incoming | null = null
  #down: Outgoing | null = null
  #upOpen = false
  #downOpen = false

  constructor(parts: AnsweringParts) {
    this.#parts = parts
    if (parts.hasBody) this.#up = this.#receive()
  }

  get up(): Incoming | null {
    return this.#up
  }
  get down(): Outgoing | null {
    return this.#down
  }

  async work(work: Work): Promise<void> {
    const { signal } = this.#controller
    try {
      const value = await work(this.#up ?? nothing(), signal)
      if (isAnswer(value)) await this.#answer(value.result, value.body)
      else await this.#answer(value, null)
    } catch (error) {
      if (!(error instanceof OcmError)) this.#parts.fault(error)
      this.#parts.outbox.say(...messageFrames('refusal', this.#parts.call, toWireError(error)))
    }
    this.#answered = true
    // Whatever of the body was not read is not wanted.
    this.#up?.stop()
    this.#maybeOver()
  }

  /** The other side does not want it any more. */
  cancel(): void {
    const why = new OcmError('job-cancelled')
    this.#controller.abort(why)
    this.#up?.abort(why)
    this.#down?.abort(why)
  }

  lose(error: OcmError): void {
    this.#controller.abort(error)
    this.#up?.lose(error)
    this.#down?.lose()
  }

  async #answer(result: unknown, body: Body | null): Promise<void> {
    const { signal } = this.#controller
    try {
      if (signal.aborted) throw signal.reason
      const said = messageFrames('answer', this.#parts.call, { result, body: body !== null })
      this.#parts.outbox.say(...said)
    } catch (error) {
      // A generator that is never begun holds what it was made with until it is told.
      await body?.[Symbol.asyncIterator]().return?.()
      throw error
    }
    if (body) this.#send(body)
  }

  #send(body: Body): void {
    this.#downOpen = true
    this.#down = new Outgoing(this.#parts.call, body, this.#parts.outbox, {
      blocked: () => {},
      ended: (error) => {
        if (error !== undefined && !(error instanceof OcmError)) this.#parts.fault(error)
        this.#downOpen = false
        this.#maybeOver()
      },
    })
  }

  #receive(): Incoming {
    const { call, outbox } = this.#parts
    this.#upOpen = true
    return new Incoming({
      credit: (bytes) => outbox.say(creditFrame(call, bytes)),
      stop: () => outbox.say(frame('stop', call)),
      hungry: () => {},
      ended: () => {
        this.#upOpen = false
        this.#maybeOver()
      },
    })
  }

  #maybeOver(): void {
    if (this.#answered && !this.#upOpen && !this.#downOpen) this.#parts.over()
  }
}

const isAnswer = (value: unknown): value is Answer<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  'body' in value &&
  typeof value.body === 'object' &&
  value.body !== null &&
  Symbol.asyncIterator in value.body

async function* nothing(): AsyncGenerator<Uint8Array> {}
