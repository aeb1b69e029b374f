/** Text that compresses as people's text does: words of a made-up language, the frequent ones short (Zipf). */
import { Random } from './random.ts'

const VOCABULARY = 12_000
const COMMON =
  'the of and to in a is that for it as was with be by on not he his but at are this have from or had an they ' +
  'which one you were all her she there would their we him been has when who will no more if out so said what ' +
  'up its about into than them can only other time new some could these two may then do first any my now such ' +
  'like our over me even most made after also did many off before must well back through years where much your ' +
  'way down should because long each just state those people too mr how little good world'
const CONSONANTS = 'b c d f g h k l m n p r s t v w st tr ch sh th pl gr'.split(' ')
const VOWELS = 'a e i o u ea ou ai'.split(' ')

export const WORDS: readonly string[] = (() => {
  const random = new Random(42, 'vocabulary')
  const words = COMMON.split(' ')
  while (words.length < VOCABULARY) {
    const syllables = 1 + random.below(3) + (random.share() < 0.3 ? 1 : 0)
    let word = ''
    for (let i = 0; i < syllables; i++) {
      word += random.of(CONSONANTS) + random.of(VOWELS)
      if (random.share() < 0.35) word += random.of(CONSONANTS.slice(0, 16))
    }
    words.push(word)
  }
  return words
})()

export const word = (random: Random, from: number, many: number): string =>
  WORDS[from + random.below(many)] as string

const BYTES = WORDS.map((text) => Buffer.from(text, 'latin1'))

/** Sixteen random bits to a word: the n-th word about 1/n as often as the first. */
const BY_CHANCE = (() => {
  const table = new Uint16Array(2 ** 16)
  let all = 0
  for (let rank = 1; rank <= VOCABULARY; rank++) all += rank ** -1.05
  let at = 0
  let sum = 0
  for (let rank = 1; rank <= VOCABULARY; rank++) {
    sum += rank ** -1.05 / all
    for (const end = Math.round(sum * table.length); at < end; at++) table[at] = rank - 1
  }
  return table
})()

const DOT = 46
const SPACE = 32

/** One buffer for all that is written, because a data set is millions of words. */
export class Page {
  #bytes = Buffer.allocUnsafe(4 << 20)
  length = 0

  say(text: string): this {
    this.#make(text.length * 3)
    this.length += this.#bytes.write(text, this.length, 'utf8')
    return this
  }

  /** Sentences of `bytes` bytes in all; `paragraph` stands between paragraphs. */
  prose(random: Random, bytes: number, paragraph = '\n'): this {
    this.#make(bytes + 64)
    const out = this.#bytes
    const end = this.length + bytes
    let at = this.length
    let words = 8 + random.below(14)
    let sentences = 4 + random.below(5)
    while (at < end) {
      const chance = random.bits()
      const next = BYTES[BY_CHANCE[chance & 0xffff] as number] as Buffer
      for (let i = 0; i < next.length; i++) out[at++] = next[i] as number
      if (at >= end) break
      if (--words <= 0) {
        out[at++] = DOT
        words = 8 + (chance >>> 28)
        if (--sentences <= 0) {
          for (let i = 0; i < paragraph.length; i++) out[at++] = paragraph.charCodeAt(i)
          sentences = 4 + ((chance >>> 24) & 3)
          continue
        }
      }
      out[at++] = SPACE
    }
    this.length = at
    return this
  }

  paste(bytes: Buffer): this {
    this.#make(bytes.length)
    this.length += bytes.copy(this.#bytes, this.length)
    return this
  }

  since(at: number): Buffer {
    return Buffer.from(this.#bytes.subarray(at, this.length))
  }

  /** What stands on it; it is empty then, and what was taken is overwritten by what comes next. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.length)
    this.length = 0
    return taken
  }

  #make(room: number): void {
    if (this.length + room <= this.#bytes.length) return
    const more = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + room))
    this.#bytes.copy(more, 0, 0, this.length)
    this.#bytes = more
  }
}
