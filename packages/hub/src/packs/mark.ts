/**
 * A data directory says so when its packs are in a bucket. A hub that looked for them beside it would take all that it has
 * for lost.
 */
import { readIfThere, writeDurably } from '../durable.ts'

const mark = (data: string) => `${data}/packs-bucket`

/** The bucket, as it was named at the last start; undefined where packs are in the directory. */
export async function markedBucket(data: string): Promise<string | undefined> {
  const text = await readIfThere(mark(data))
  return text && Buffer.from(text).toString().trim()
}

export const markBucket = (data: string, bucket: string): Promise<void> =>
  writeDurably(mark(data), `${bucket}\n`)

/** Where packs are, as a copy of the hub says it. */
export const isBucket = (where: string | null): where is string =>
  where !== null && /^https?:/.test(where)
