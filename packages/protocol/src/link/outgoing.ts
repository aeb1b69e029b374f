/** The writing end of a body: reads the producer as fast as the other side gives credit, and no faster. */
import { OcmError, toWireError } from '../errors.ts'
import type { Body } from './calls.ts'
import { DATA_PAYLOAD, dataFrame, frame, messageFrames } from './frame.ts'
import type { Outbox, Source } from './outbox.ts'

/** Bytes of one body that may be on their way or unread. Both sides start from it. */
export const WINDOW = 512 * 1024

export interface OutgoingWatch {
  /** There are bytes to send and no credit for them; and credit came. */
  blocked(isBlocked: boolean): void
  /** Its last frame has gone to the carrier. `error`: what the producer threw. */
  ended(error: unknown): void
}

export class Outgoing implements Source {
  readonly #call: number
  readonly #outbox: Outbox
  readonly #watch: OutgoingWatch
  #credit = WINDOW
  #chunk: Uint8Array | null = null
  #last: Uint8Array | null = null
  #error: unknown
  #isBlocked = false
  /** Wakes the producer's loop. */
  #wake: () => void = () => {}
  #over = false

  constructor(call: number, body: Body, outbox: Outbox, watch: OutgoingWatch) {
    this.#call = call
    this.#outbox = outbox
    this.#watch = watch
    void this.#produce(body)
  }

  /** @throws OcmError 'malformed' when the other side gives more than it took. */
  addCredit(bytes: number): void {
    if (bytes === 0 || this.#credit + bytes > WINDOW)
      throw new OcmError('malformed', { what: 'credit' })
    this.#credit += bytes
    this.#setBlocked(false)
    if (this.#chunk) this.#outbox.offer(this)
  }

  /** Ends it before the producer does. The reader sees `why`, if it still reads. */
  abort(why: unknown): void {
    if (this.#last || this.#over) return
    this.#chunk = null
    this.#finish(messageFrames('fail', this.#call, toWireError(why))[0] ?? null)
    this.#wake()
  }

  /** The session is gone: nothing can be sent any more. */
  lose(): void {
    this.#over = true
    this.#chunk = null
    this.#outbox.withdraw(this)
    this.#wake()
  }

  take(): Uint8Array | null {
    if (this.#chunk) return this.#takeData(this.#chunk)
    const last = this.#last
    if (!last || this.#over) return null
    this.#over = true
    // After this frame is with the carrier, not before: whoever counts places counts by what was sent.
    void Promise.resolve().then(() => this.#watch.ended(this.#error))
    return last
  }

  #takeData(chunk: Uint8Array): Uint8Array | null {
    const length = Math.min(chunk.length, DATA_PAYLOAD)
    // More credit is on its way: the reader gives it back before half of the window is left over.
    if (length > this.#credit) {
      this.#setBlocked(true)
      return null
    }
    this.#credit -= length
    if (length === chunk.length) {
      this.#chunk = null
      this.#wake()
    } else {
      this.#chunk = chunk.subarray(length)
    }
    return dataFrame(this.#call, chunk.subarray(0, length))
  }

  async #produce(body: Body): Promise<void> {
    try {
      for await (const chunk of body) {
        if (this.#isEnding()) return
        if (chunk.length === 0) continue
        await this.#send(chunk)
        if (this.#isEnding()) return
      }
      this.#finish(frame('end', this.#call))
    } catch (error) {
      this.#error = error
      this.abort(error)
    }
  }

  #isEnding(): boolean {
    return this.#over || this.#last !== null
  }

  #send(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#chunk = chunk
      this.#outbox.offer(this)
    })
  }

  #finish(last: Uint8Array | null): void {
    if (this.#isEnding()) return
    this.#last = last
    this.#setBlocked(false)
    this.#outbox.offer(this)
  }

  #setBlocked(isBlocked: boolean): void {
    if (this.#isBlocked === isBlocked) return
    this.#isBlocked = isBlocked
    this.#watch.blocked(isBlocked)
  }
}
