/** Two carriers joined in memory, for tests of what runs over them: in order, later, and open to be tampered with. */
import type { Carrier } from '../carrier.ts'

interface Receiver {
  receive(record: Uint8Array): void
  drained(): void
  lost(cause?: unknown): void
}

export interface MemoryCarrier extends Carrier {
  /** Whom records from the other end go to. What came before waits. */
  connect(receiver: Receiver): void
  /** Nothing that this end sends arrives until `release`. */
  hold(): void
  release(): void
  /** What arrives instead of a record that this end sends. */
  tamper(how: (record: Uint8Array) => readonly Uint8Array[]): void
  /** All that this end has sent, as it was sent. */
  readonly sent: readonly Uint8Array[]
  /** The most that ever waited in it. */
  readonly peakBytes: number
  readonly isClosed: boolean
}

export function memoryCarriers(): readonly [MemoryCarrier, MemoryCarrier] {
  const a = new End()
  const b = new End()
  a.other = b
  b.other = a
  return [a, b]
}

class End implements MemoryCarrier {
  other: End | null = null
  readonly sent: Uint8Array[] = []
  peakBytes = 0
  isClosed = false
  #receiver: Receiver | null = null
  #queue: Uint8Array[] = []
  #bytes = 0
  #held = false
  #moving = false
  #how: (record: Uint8Array) => readonly Uint8Array[] = (record) => [record]

  send(record: Uint8Array): void {
    if (this.isClosed) return
    this.sent.push(record)
    this.#queue.push(record)
    this.#bytes += record.length
    this.peakBytes = Math.max(this.peakBytes, this.#bytes)
    this.#move()
  }

  bufferedBytes(): number {
    return this.#bytes
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#move()
  }

  connect(receiver: Receiver): void {
    this.#receiver = receiver
    this.other?.release()
  }

  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#move()
  }

  tamper(how: (record: Uint8Array) => readonly Uint8Array[]): void {
    this.#how = how
  }

  #move(): void {
    if (this.#moving) return
    this.#moving = true
    void this.#deliver()
  }

  async #deliver(): Promise<void> {
    await Promise.resolve()
    const to = this.other
    for (;;) {
      const receiver = this.#held ? null : to && to.#receiver
      const record = receiver && this.#queue.shift()
      if (!record) break
      this.#bytes -= record.length
      if (!to?.isClosed) for (const arrived of this.#how(record)) receiver.receive(arrived)
      this.#receiver?.drained()
      await Promise.resolve()
    }
    this.#moving = false
    if (this.isClosed && !this.#held && this.#queue.length === 0) {
      this.#receiver?.lost()
      if (to && !to.isClosed) to.close()
    }
  }
}
