/** The little XML that S3 speaks. What is read consists of flat elements; names of objects are this hub's own. */

export interface ListedObject {
  readonly key: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface ListedPage {
  readonly objects: readonly ListedObject[]
  /** To be given to the next request; undefined at the end. */
  readonly next: string | undefined
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
}

const unescaped = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(String(hex), 16))
    return ENTITIES[name] ?? whole
  })

const escaped = (text: string): string =>
  text.replaceAll(/[<>&"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

/** Text of the first element of this name. */
export function textOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text === undefined ? undefined : unescaped(text)
}

const elements = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, inner = '']) => inner)

/** @throws TypeError for anything else than a page of a listing */
export function readListing(xml: string): ListedPage {
  if (!xml.includes('<ListBucketResult')) throw new TypeError('not a listing')
  const objects = elements(xml, 'Contents').map((inner) => ({
    key: textOf(inner, 'Key') ?? '',
    at: Date.parse(textOf(inner, 'LastModified') ?? ''),
  }))
  const isCut = textOf(xml, 'IsTruncated') === 'true'
  return { objects, next: isCut ? textOf(xml, 'NextContinuationToken') : undefined }
}

export const writeDeletion = (keys: readonly string[]): string =>
  `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${keys
    .map((key) => `<Object><Key>${escaped(key)}</Key></Object>`)
    .join('')}</Delete>`

/** What could not be removed, as the server calls the reasons; undefined when this is no such answer. */
export const readDeletion = (xml: string): string[] | undefined =>
  xml.includes('<DeleteResult')
    ? elements(xml, 'Error')
        .map((inner) => textOf(inner, 'Code') ?? '')
        .filter((code) => code !== 'NoSuchKey')
    : undefined
