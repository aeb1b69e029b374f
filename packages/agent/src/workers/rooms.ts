/**
 * The memory that packs of all threads are made in. As many as can be in use at a time, each used again by whichever
 * thread needs one next: memory that lies ready at one thread while another makes more would be there twice. It is
 * shared, because what is moved to and fro is reason to collect, and it costs nothing until it is written to.
 */
import { PACK_ROOM } from '@ocm/protocol'

/** For a thread's start. */
export interface SharedRooms {
  readonly memory: readonly SharedArrayBuffer[]
  /** Of each one 1 while it is in use, else 0. */
  readonly taken: SharedArrayBuffer
}

export class Rooms {
  readonly shared: SharedRooms
  readonly #taken: Int32Array

  /** @param shared those of the thread that made them */
  constructor(shared: SharedRooms) {
    this.shared = shared
    this.#taken = new Int32Array(shared.taken)
  }

  static create(count: number): Rooms {
    return new Rooms({
      memory: Array.from({ length: count }, () => new SharedArrayBuffer(PACK_ROOM)),
      taken: new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT),
    })
  }

  /** One that nobody has; one more if there is none. */
  take(): Uint8Array {
    const { memory } = this.shared
    const free = memory.findIndex((_, n) => Atomics.compareExchange(this.#taken, n, 0, 1) === 0)
    return new Uint8Array(memory[free] ?? new SharedArrayBuffer(PACK_ROOM))
  }

  /** The number of the room that these bytes lie in, as this thread took it; -1 if it is none of them. */
  numberOf({ buffer }: Uint8Array): number {
    return this.shared.memory.findIndex((one) => one === buffer)
  }

  /** Nobody reads what is in it any more. */
  free(number: number): void {
    if (number >= 0) Atomics.store(this.#taken, number, 0)
  }
}
