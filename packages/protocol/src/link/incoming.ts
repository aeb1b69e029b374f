/** The reading end of a body: holds what has arrived and gives credit back for what has been read. */
import { concat } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { Body } from './calls.ts'
import { WINDOW } from './outgoing.ts'

/** Credit goes back in pieces of at least this. */
const CREDIT_STEP = WINDOW / 2
/** Pieces shorter than this are joined, so that a window of single bytes does not cost a window of objects. */
const SMALL = 4096

export interface IncomingWatch {
  credit(bytes: number): void
  /** The reader wants no more. */
  stop(): void
  /** The reader has read all there is, and waits; and something came. */
  hungry(isHungry: boolean): void
  /** The writer's last frame has arrived. */
  ended(): void
}

type Outcome =
  | { readonly kind: 'open' | 'end' }
  | { readonly kind: 'failed'; readonly error: unknown }

export class Incoming implements Body {
  readonly #watch: IncomingWatch
  #room = WINDOW
  #pieces: Uint8Array[] = []
  /** Read, and not yet given back. */
  #owed = 0
  /** What the reader has in its hands. */
  #handed = 0
  #outcome: Outcome = { kind: 'open' }
  /** The writer has sent its last frame. */
  #ended = false
  #stopped = false
  #read = false
  #wake: (() => void) | null = null

  constructor(watch: IncomingWatch) {
    this.#watch = watch
  }

  /** @throws OcmError 'malformed' when the writer sends without credit, nothing, or after its end. */
  push(piece: Uint8Array): void {
    if (this.#ended || piece.length === 0 || piece.length > this.#room) {
      throw new OcmError('malformed', { what: 'data' })
    }
    this.#room -= piece.length
    // What was on its way to a reader that left.
    if (this.#stopped || this.#outcome.kind !== 'open') return
    const last = this.#pieces.at(-1)
    if (last && last.length < SMALL) this.#pieces[this.#pieces.length - 1] = concat(last, piece)
    else this.#pieces.push(piece)
    this.#rouse()
  }

  /** The writer's last frame. @throws OcmError 'malformed' when there was one. */
  end(error?: unknown): void {
    if (this.#ended) throw new OcmError('malformed', { what: 'data' })
    this.#ended = true
    this.#settle(error === undefined ? { kind: 'end' } : { kind: 'failed', error })
    this.#watch.ended()
  }

  /** Ends it for the reader, who must not take what is left for the whole; the writer is told to stop. */
  abort(error: unknown): void {
    if (this.#outcome.kind !== 'failed') this.#outcome = { kind: 'failed', error }
    this.stop()
    this.#rouse()
  }

  /** The session is gone. What has arrived whole can still be read. */
  lose(error: unknown): void {
    if (this.#outcome.kind === 'open') this.#ended = true
    this.#settle({ kind: 'failed', error })
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#pieces = []
    if (!this.#ended) this.#watch.stop()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#read) throw new OcmError('wrong-use', { what: 'A body is read once' })
    this.#read = true
    return {
      next: () => this.#next(),
      return: () => {
        this.#settle({ kind: 'end' })
        this.stop()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    this.#giveBack()
    if (this.#pieces.length === 0 && this.#outcome.kind === 'open') await this.#arrival()
    const outcome = this.#outcome
    if (outcome.kind === 'failed') throw outcome.error
    const piece = this.#pieces.shift()
    if (!piece) return { done: true, value: undefined }
    this.#handed = piece.length
    return { done: false, value: piece }
  }

  async #arrival(): Promise<void> {
    this.#watch.hungry(true)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#watch.hungry(false)
  }

  #giveBack(): void {
    this.#owed += this.#handed
    this.#handed = 0
    if (this.#owed < CREDIT_STEP || this.#ended || this.#stopped) return
    this.#room += this.#owed
    this.#watch.credit(this.#owed)
    this.#owed = 0
  }

  #settle(outcome: Outcome): void {
    if (this.#outcome.kind !== 'open') return
    this.#outcome = outcome
    if (outcome.kind === 'failed') this.#pieces = []
    this.#rouse()
  }

  #rouse(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
