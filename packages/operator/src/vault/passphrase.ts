/** Which passphrases may guard a vault. The hub holds the slots, so offline guessing is what they have to withstand. */
import { OcmError, type Primitives } from '@ocm/protocol'
import { wordlist } from '@scure/bip39/wordlists/english.js'

const PROPOSED_WORDS = 6
const ENOUGH_LETTERS = 16
const ENOUGH_WORDS = 5
/** Letters that differ: "aaaa…" and "121212…" are long and worth nothing. */
const ENOUGH_DIFFERENT = 6

/** Long enough to pass the other rules, and in every list of guesses. */
const COMMON = new Set(
  [
    'correct horse battery staple',
    'the quick brown fox jumps over the lazy dog',
    'the quick brown fox jumps',
    'qwertyuiopasdfghjklzxcvbnm',
    'qwertyuiopasdfgh',
    'abcdefghijklmnop',
    'abcdefghijklmnopqrstuvwxyz',
    '1234567890123456',
    '12345678901234567890',
    '1q2w3e4r5t6y7u8i9o0p',
    'passwordpassword',
    'passwordpassword1',
    'password12345678',
    'iloveyouiloveyou',
    'administrator1234',
    'letmeinletmein123',
    'to be or not to be that is the question',
    'to be or not to be',
    'may the force be with you',
    'let it be let it be',
    'i love you so much',
    'one two three four five',
    'one two three four five six',
  ].map(squeezed),
)

/** Six of 2048 words: 66 random bits. */
export function proposePassphrase(p: Primitives): string {
  const bytes = p.random(2 * PROPOSED_WORDS)
  return Array.from({ length: PROPOSED_WORDS }, (_, n) => {
    // 2048 divides 65536, so every word is as likely as any other.
    const number = ((bytes[2 * n] as number) << 8) | (bytes[2 * n + 1] as number)
    return wordlist[number % wordlist.length] as string
  }).join(' ')
}

/** @throws OcmError 'passphrase-is-password', 'passphrase-weak' */
export function checkPassphrase(passphrase: string, password: string): void {
  if (squeezed(passphrase) === squeezed(password)) throw new OcmError('passphrase-is-password')
  if (!isStrong(passphrase)) throw new OcmError('passphrase-weak')
}

/** What two texts have in common that a guesser would not tell apart: case, spaces, compatibility forms. */
function squeezed(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[\s\p{P}\p{Cf}]/gu, '')
}

function isStrong(passphrase: string): boolean {
  const text = passphrase.normalize('NFKC').trim()
  const letters = [...squeezed(text)]
  if (COMMON.has(letters.join(''))) return false
  if (new Set(letters).size < ENOUGH_DIFFERENT) return false
  if (isRepeated(letters.join(''))) return false
  const words = new Set(
    text
      .toLowerCase()
      .split(/[\s\p{P}]+/u)
      .filter((word) => word.length > 2),
  )
  return words.size >= ENOUGH_WORDS || [...text].length >= ENOUGH_LETTERS
}

/** True for a short piece said again and again. */
function isRepeated(text: string): boolean {
  const again = (text + text).indexOf(text, 1)
  return again < text.length && again <= text.length / 2
}
