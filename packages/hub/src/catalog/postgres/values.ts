/** What comes out of PostgreSQL, in the same kinds as out of SQLite: whole numbers, text, bytes, and 1 or 0 for yes or no. */
import type { CustomTypesConfig } from 'pg'

/** PostgreSQL's numbers of its kinds. */
const [BYTEA, INT8, INT2, INT4, NUMERIC, BOOL] = [17, 20, 21, 23, 1700, 16]

/** As SQLite does: rather an error than a number that is nearly right. */
function wholeNumber(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new RangeError('a number beyond 2^53 in the catalog')
  return number
}

/** `\x` and hexadecimal. */
const bytesFrom = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.slice(2), 'hex'))

const asText = (text: string) => text

function parserOf(kind: number): (text: string) => unknown {
  if (kind === BYTEA) return bytesFrom
  if (kind === BOOL) return (text) => (text === 't' ? 1 : 0)
  return [INT8, INT2, INT4, NUMERIC].includes(kind) ? wholeNumber : asText
}

export const typeParsers: CustomTypesConfig = {
  getTypeParser: ((kind: number) => parserOf(kind)) as CustomTypesConfig['getTypeParser'],
}
