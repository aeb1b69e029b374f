/** Finds the lines of stage 0 in what a login prints: banners, the noise of rc files, and then the answer. */
import { concat } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { MARKER } from './stage0.ts'

/** A login that prints more than this before its answer is not waited for. */
const MOST_NOISE = 1024 * 1024
const MOST_LINE = 4096

export type Stage0Said =
  | { readonly word: 'want' | 'preface' | 'no-place' | 'bad-bundle' }
  /** `rest` is what came behind the line: the beginning of the first record, most often nothing. */
  | { readonly word: 'ready'; readonly rest: Uint8Array }
  | { readonly word: 'no-node'; readonly found: readonly string[] }
  | { readonly word: 'failed'; readonly code: string }

export class MarkerReader {
  readonly #begin: string
  #held: Uint8Array = new Uint8Array()
  #noise = 0
  #ended = false

  constructor(nonce: string) {
    this.#begin = `${MARKER} ${nonce} `
  }

  /**
   * After `ready` it is not to be fed any more.
   * @throws OcmError 'ssh-no-answer' when nothing but noise comes
   */
  push(bytes: Uint8Array): readonly Stage0Said[] {
    if (this.#ended) throw new OcmError('internal')
    const said: Stage0Said[] = []
    let all = this.#held.length === 0 ? bytes : concat(this.#held, bytes)
    for (let end = all.indexOf(LF); end !== -1; end = all.indexOf(LF)) {
      const one = this.#read(all.subarray(0, end), all.subarray(end + 1))
      all = all.subarray(end + 1)
      if (one) said.push(one)
      else this.#noise += end + 1
      if (one?.word === 'ready') {
        this.#ended = true
        return said
      }
    }
    if (this.#noise + all.length > MOST_NOISE) throw new OcmError('ssh-no-answer')
    // Of a line without an end only its end can still be ours.
    this.#noise += Math.max(0, all.length - MOST_LINE)
    // A copy: who calls may read into the same memory again.
    this.#held = concat(all.subarray(-MOST_LINE))
    return said
  }

  #read(line: Uint8Array, rest: Uint8Array): Stage0Said | undefined {
    const text = letters(line)
    const at = text.indexOf(this.#begin)
    if (at === -1) return undefined
    const [word = '', ...more] = text
      .slice(at + this.#begin.length)
      .trim()
      .split(' ')
    switch (word) {
      case 'want':
      case 'preface':
      case 'no-place':
      case 'bad-bundle':
        return { word }
      case 'ready':
        return { word, rest: concat(rest) }
      case 'no-node':
        return { word, found: more.filter((version) => /^\d{1,3}\.\d{1,4}$/.test(version)) }
      case 'failed':
        return { word, code: /^[a-z0-9-]{1,64}$/.test(more[0] ?? '') ? (more[0] as string) : '' }
      default:
        return undefined
    }
  }
}

const LF = 10

/** Whatever it is, letter by letter; ours are ASCII. */
function letters(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes.subarray(-MOST_LINE)) text += String.fromCharCode(byte)
  return text
}
