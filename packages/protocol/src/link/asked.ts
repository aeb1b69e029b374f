/**
 * A request of ours, from the question to the last byte of either body. It keeps its place among the 32 until the
 * other side has let go of it too, so cancelling does not make room for more than 32 at work over there.
 */
import { OcmError, type WireError, fromWireError } from '../errors.ts'
import type { Answer, Body, RequestOptions } from './calls.ts'
import type { Clock } from './clock.ts'
import { creditFrame, frame, messageFrames } from './frame.ts'
import { Incoming } from './incoming.ts'
import type { Outbox } from './outbox.ts'
import { Outgoing } from './outgoing.ts'
import { Patience } from './patience.ts'

const DEADLINE_MS = 30_000

export interface AskedParts {
  readonly method: string
  readonly params: unknown
  readonly options: RequestOptions
  readonly outbox: Outbox
  readonly clock: Clock
  /** Checks a result. @throws OcmError 'malformed' */
  readonly read: (result: unknown) => unknown
  /** Both sides are done with it. */
  readonly over: () => void
}

export class Asked {
  readonly answer: Promise<Answer<unknown>>
  readonly #parts: AskedParts
  readonly #patience: Patience
  readonly #onAbort = () => this.#giveUp(this.#parts.options.signal?.reason)
  #resolve: (answer: Answer<unknown>) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #call = 0
  #state: 'waiting' | 'asked' | 'answered' | 'over' = 'waiting'
  #up: Outgoing | null = null
  #down: Incoming | null = null
  #upOpen = false
  #downOpen = false
  #gaveUp = false

  constructor(parts: AskedParts) {
    this.#parts = parts
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { deadlineMs = DEADLINE_MS, signal } = parts.options
    this.#patience = new Patience(parts.clock, deadlineMs, () =>
      this.#giveUp(new OcmError('deadline-passed')),
    )
    this.#patience.begin()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Once there is a place for it. */
  ask(call: number): void {
    const { method, params, options, outbox } = this.#parts
    this.#call = call
    const body = options.body !== undefined
    const frames = this.#try(() => messageFrames('request', call, { method, params, body }))
    if (!frames) return
    this.#state = 'asked'
    outbox.say(...frames)
    this.#patience.begin()
    if (options.body) this.#send(options.body)
  }

  answered(result: unknown, hasBody: boolean): void {
    this.#expectAnswer()
    this.#patience.end()
    this.#state = 'answered'
    const down = hasBody ? this.#receive() : null
    const checked = this.#try(() => ({ result: this.#parts.read(result) }))
    if (checked && !this.#gaveUp) this.#resolve({ result: checked.result, body: down ?? nothing() })
    else down?.stop()
    this.#maybeOver()
  }

  refused(error: WireError): void {
    this.#expectAnswer()
    this.#patience.end()
    this.#state = 'answered'
    this.#reject(fromWireError(error))
    this.#maybeOver()
  }

  /** The other side's frames about either body. */
  get up(): Outgoing | null {
    return this.#up
  }
  get down(): Incoming | null {
    return this.#down
  }

  lose(error: OcmError): void {
    this.#up?.lose()
    this.#down?.lose(error)
    this.#reject(error)
    this.#end()
  }

  #send(body: Body): void {
    const { outbox } = this.#parts
    this.#upOpen = true
    this.#patience.end()
    this.#up = new Outgoing(this.#call, body, outbox, {
      blocked: (isBlocked) => (isBlocked ? this.#patience.begin() : this.#patience.end()),
      ended: (error) => {
        this.#upOpen = false
        if (this.#state === 'asked') this.#patience.begin()
        // Our own producer's error says more than what the other side makes of it.
        if (error !== undefined) this.#giveUp(error)
        this.#maybeOver()
      },
    })
  }

  #receive(): Incoming {
    const { outbox } = this.#parts
    this.#downOpen = true
    this.#down = new Incoming({
      credit: (bytes) => outbox.say(creditFrame(this.#call, bytes)),
      stop: () => outbox.say(frame('stop', this.#call)),
      hungry: (isHungry) => (isHungry ? this.#patience.begin() : this.#patience.end()),
      ended: () => {
        this.#downOpen = false
        this.#maybeOver()
      },
    })
    return this.#down
  }

  /** Nobody here wants it any more. */
  #giveUp(why: unknown): void {
    if (this.#gaveUp) return
    this.#gaveUp = true
    this.#patience.end()
    this.#reject(why)
    this.#up?.abort(new OcmError('job-cancelled'))
    this.#down?.abort(why)
    if (this.#state === 'waiting') this.#end()
    else if (this.#state === 'asked') this.#parts.outbox.say(frame('cancel', this.#call))
  }

  #expectAnswer(): void {
    if (this.#state !== 'asked') throw new OcmError('malformed', { what: 'answer' })
  }

  #try<T>(act: () => T): T | null {
    try {
      return act()
    } catch (error) {
      this.#reject(error)
      if (this.#state === 'waiting') this.#end()
      return null
    }
  }

  #maybeOver(): void {
    if (this.#state === 'answered' && !this.#upOpen && !this.#downOpen) this.#end()
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#patience.end()
    this.#parts.options.signal?.removeEventListener('abort', this.#onAbort)
    this.#parts.over()
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
