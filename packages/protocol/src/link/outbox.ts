/**
 * What waits to be sent. Two queues: what is said goes before what is carried, so a request never waits behind a
 * body. Frames are sealed as they leave, because a record that overtakes another after sealing does not open.
 */
import type { Carrier } from './carrier.ts'
import type { Clock } from './clock.ts'
import type { Transport } from './transport.ts'

/** Above this many bytes in the carrier nothing more is handed to it, so that what is urgent has little before it. */
const HIGH_WATER = 256 * 1024
/** A carrier that does not say when it has drained is asked. */
const ASK_AGAIN_MS = 5
/** Bytes of messages that may wait; a peer that lets more pile up is given up. */
const MAX_UNSAID = 8 * 2 ** 20

/** Somebody with bytes to send. Asked in turn with the others. */
export interface Source {
  /**
   * The next frame, good until anybody's next one is taken; or null when it has none for now, and it comes back by
   * `Outbox.offer`.
   */
  take(): Uint8Array | null
}

export class Outbox {
  readonly #carrier: Carrier
  readonly #transport: Transport
  readonly #clock: Clock
  #said: Uint8Array[] = []
  #saidBytes = 0
  readonly #sources = new Set<Source>()
  #pumping = false
  #closed = false
  #timer: unknown = null

  readonly #overflow: () => void

  /** @param overflow called when the peer does not read and too much waits to be said. */
  constructor(carrier: Carrier, transport: Transport, clock: Clock, overflow: () => void) {
    this.#overflow = overflow
    this.#carrier = carrier
    this.#transport = transport
    this.#clock = clock
  }

  say(...frames: readonly Uint8Array[]): void {
    if (this.#closed) return
    for (const frame of frames) {
      this.#said.push(frame)
      this.#saidBytes += frame.length
    }
    this.drained()
    if (this.#saidBytes > MAX_UNSAID) this.#overflow()
  }

  offer(source: Source): void {
    if (this.#closed) return
    this.#sources.add(source)
    this.drained()
  }

  withdraw(source: Source): void {
    this.#sources.delete(source)
  }

  /** Sends what there is room for. Called by the carrier when it has room again. */
  drained(): void {
    if (this.#pumping || this.#closed) return
    this.#pumping = true
    this.#clock.clearTimeout(this.#timer)
    while (this.#carrier.bufferedBytes() <= HIGH_WATER) {
      const frame = this.#next()
      if (!frame) break
      this.#carrier.send(this.#transport.seal(frame))
    }
    this.#pumping = false
    if (this.#said.length > 0 || this.#sources.size > 0) {
      this.#timer = this.#clock.setTimeout(() => this.drained(), ASK_AGAIN_MS)
    }
  }

  /** The last frame, ahead of all that waits, which is dropped. */
  closeWith(last: Uint8Array | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#clock.clearTimeout(this.#timer)
    this.#said = []
    this.#sources.clear()
    if (last) this.#carrier.send(this.#transport.seal(last))
  }

  #next(): Uint8Array | null {
    const said = this.#said.shift()
    if (said) {
      this.#saidBytes -= said.length
      return said
    }
    for (const source of this.#sources) {
      this.#sources.delete(source)
      const frame = source.take()
      if (!frame) continue
      // To the end of the row: bodies take turns.
      this.#sources.add(source)
      return frame
    }
    return null
  }
}
