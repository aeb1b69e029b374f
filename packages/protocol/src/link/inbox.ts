/** Records as they arrive, for a handshake that reads them one after another. */
import { OcmError } from '../errors.ts'

/** What may wait unread: little from a stranger; from a peer that has proved who it is, what a session may begin with. */
const FROM_STRANGERS = 16 * 1024
const FROM_PEERS = 4 * 2 ** 20

/** How a handshake sees the carrier. */
export interface Wire {
  send(record: Uint8Array): void
  /** @throws OcmError 'malformed' for a record longer than `atMost`; 'link-lost' or 'deadline-passed' when none comes. */
  next(atMost: number): Promise<Uint8Array>
  /** The other side has proved who it is. */
  trust(): void
  /** Rejected as `next` would be, for who waits for something else. */
  readonly failed: Promise<never>
}

export class Inbox {
  #records: Uint8Array[] = []
  #bytes = 0
  #limit = FROM_STRANGERS
  readonly failed: Promise<never>
  #reject: (error: OcmError) => void = () => {}
  #failure: OcmError | null = null
  #wake: (() => void) | null = null

  constructor() {
    this.failed = new Promise((_resolve, reject) => {
      this.#reject = reject
    })
    // Whoever needs it waits for it; that nobody does is no error.
    this.failed.catch(() => undefined)
  }

  push(record: Uint8Array): void {
    this.#records.push(record)
    this.#bytes += record.length
    if (this.#bytes > this.#limit) this.fail(new OcmError('malformed', { what: 'handshake' }))
    this.#rouse()
  }

  /** No more comes. What came before is not read either: a handshake is whole or nothing. */
  fail(error: OcmError): void {
    this.#failure ??= error
    this.#reject(this.#failure)
    this.#records = []
    this.#rouse()
  }

  trust(): void {
    this.#limit = FROM_PEERS
  }

  async next(atMost: number): Promise<Uint8Array> {
    if (this.#records.length === 0 && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const record = this.#records.shift()
    if (this.#failure || !record) throw this.#failure ?? new OcmError('internal')
    this.#bytes -= record.length
    if (record.length > atMost) throw new OcmError('malformed', { what: 'handshake' })
    return record
  }

  /** Why no more comes, if so. */
  get failure(): OcmError | null {
    return this.#failure
  }

  /** What the handshake did not read. */
  rest(): readonly Uint8Array[] {
    const rest = this.#records
    this.#records = []
    return rest
  }

  #rouse(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
