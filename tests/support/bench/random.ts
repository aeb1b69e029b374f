/** Numbers that look random and are the same in every run (sfc32, seeded by a hash). */
import { createCipheriv, hash } from 'node:crypto'

export class Random {
  #a: number
  #b: number
  #c: number
  #d = 1

  /** @param purpose so that what one part draws does not depend on how much another drew */
  constructor(seed: number, purpose: string) {
    const digest = hash('sha256', `${seed}:${purpose}`, 'buffer')
    this.#a = digest.readUInt32LE(0)
    this.#b = digest.readUInt32LE(4)
    this.#c = digest.readUInt32LE(8)
    for (let i = 0; i < 12; i++) this.bits()
  }

  /** 32 of them. */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** At least 0, below 1. */
  share(): number {
    return this.bits() / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(this.share() * limit)
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** A size as sizes of files are spread: log-normal around `median`. */
  size(median: number, sigma: number): number {
    const length = Math.sqrt(-2 * Math.log(Math.max(1e-9, this.share())))
    const normal = length * Math.cos(2 * Math.PI * this.share())
    return Math.max(1, Math.round(median * Math.exp(sigma * normal)))
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.bits().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }

  uuid(): string {
    const h = this.hex(32)
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`
  }

  /** Bytes that nothing compresses. */
  bytes(length: number): Buffer {
    const key = Buffer.alloc(16)
    for (const at of [0, 4, 8]) key.writeUInt32LE(this.bits(), at)
    return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
  }
}
