/** How good a vault passphrase is, in the few words people need while they type. */
import { checkPassphrase } from '@ocm/operator'
import { type ErrorCode, OcmError } from '@ocm/protocol'

export interface Verdict {
  /** Bars of a meter, 0 to 4. */
  readonly bars: 0 | 1 | 2 | 3 | 4
  /** Why it is refused; undefined when it may be used. */
  readonly refused: ErrorCode | undefined
}

const MANY_WORDS = 6
const MANY_LETTERS = 24

/** The library says what may be used; how far from it, or how much better, is only a picture. */
export function judgePassphrase(passphrase: string, password: string): Verdict {
  const letters = [...passphrase.normalize('NFKC').trim()].length
  try {
    checkPassphrase(passphrase, password)
  } catch (error) {
    if (!(error instanceof OcmError)) throw error
    return { bars: letters === 0 ? 0 : letters < 10 ? 1 : 2, refused: error.code }
  }
  const words = new Set(passphrase.toLowerCase().split(/\s+/).filter(Boolean)).size
  return { bars: words >= MANY_WORDS || letters >= MANY_LETTERS ? 4 : 3, refused: undefined }
}
