/** What a handshake leaves behind: one sealed record for one frame, in order, with keys that change as they are used. */
import { OcmError } from '../errors.ts'
import type { CipherState, NoiseSplit } from './noise.ts'

/** The largest message of Noise. */
export const MAX_RECORD = 65_535
export const MAX_FRAME = MAX_RECORD - 16

/** After so many records or plaintext bytes in one direction its key is replaced. Part of the protocol: both sides count. */
const KEY_LIFE = { records: 2 ** 20, bytes: 2 ** 30 } as const

const NOTHING = new Uint8Array()

export interface Transport {
  seal(frame: Uint8Array): Uint8Array
  /** @throws OcmError 'seal-broken'; nothing after it opens either. */
  open(record: Uint8Array): Uint8Array
}

/** @param life shorter than KEY_LIFE in tests. */
export function transportOf(
  split: NoiseSplit,
  life: { readonly records: number; readonly bytes: number } = KEY_LIFE,
): Transport {
  const sending = new AgingCipher(split.sending, life)
  const receiving = new AgingCipher(split.receiving, life)
  return {
    seal(frame) {
      if (frame.length > MAX_FRAME) throw new OcmError('internal')
      const record = sending.cipher.seal(NOTHING, frame)
      sending.used(frame.length)
      return record
    },
    open(record) {
      if (record.length > MAX_RECORD) throw new OcmError('malformed', { what: 'record' })
      const frame = receiving.cipher.open(NOTHING, record)
      receiving.used(frame.length)
      return frame
    },
  }
}

class AgingCipher {
  readonly cipher: CipherState
  readonly #life: { readonly records: number; readonly bytes: number }
  #records = 0
  #bytes = 0

  constructor(cipher: CipherState, life: { readonly records: number; readonly bytes: number }) {
    this.cipher = cipher
    this.#life = life
  }

  used(bytes: number): void {
    this.#records++
    this.#bytes += bytes
    if (this.#records < this.#life.records && this.#bytes < this.#life.bytes) return
    this.cipher.rekey()
    this.#records = 0
    this.#bytes = 0
  }
}
