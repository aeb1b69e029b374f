/** What a server of this kind can do is asked of it once, by doing it: they differ in what they leave out. */
import { createHash } from 'node:crypto'
import { OcmError } from '@ocm/protocol'
import { type Bucket, openBucket, sentOf } from './bucket.ts'
import { Refusal } from './failure.ts'
import type { Patience } from './persist.ts'
import type { BucketKeys, BucketPlace } from './place.ts'

export interface Abilities {
  /** Stores only what is not there yet, when it is asked to. */
  readonly conditional: boolean
  /** Refuses a body that is not what its sums say. */
  readonly checked: boolean
  /** Refuses who has another key. */
  readonly guarded: boolean
}

/** What it refuses is the answer. */
const ONCE: Patience = { silentMs: 4000, forMs: 0 }

/** @throws OcmError 'store-failed' when the hub cannot read, write, list and remove there */
export async function abilitiesOf(
  bucket: Bucket,
  place: BucketPlace,
  keys: BucketKeys,
): Promise<Abilities> {
  const empty = sentOf(new Uint8Array())
  // Whatever is wrong with keys, bucket or clock shows here; it may be that the server only starts as well.
  await bucket.put('.probe', empty)
  for await (const _ of bucket.list('.probe')) break
  const again = await refusal(() => bucket.put('.probe', empty, { isNew: true, once: true }))
  const wrong = { ...sentOf(Buffer.from('a')), ...sumsOf('b') }
  const other = await refusal(() => bucket.put('.probe-sums', wrong, { once: true }))
  await bucket.remove(['.probe-sums', '.probe-none'])

  const stranger = openBucket(place, { ...keys, secret: `${keys.secret}-not` }, ONCE)
  try {
    const shut = await refusal(async () => {
      for await (const _ of stranger.list('.probe')) return 'stored'
      return 'stored'
    })
    return {
      conditional: again === 'there',
      checked: other !== 'stored',
      guarded: shut !== 'stored',
    }
  } finally {
    stranger.close()
  }
}

/** What is answered, or with which status it is refused. @throws OcmError when there is no answer */
async function refusal(attempt: () => Promise<string>): Promise<string> {
  try {
    return await attempt()
  } catch (error) {
    const cause = error instanceof OcmError ? error.cause : error
    if (cause instanceof Refusal) return String(cause.status)
    throw error
  }
}

const sumsOf = (text: string) => ({
  sha256: createHash('sha256').update(text).digest('hex'),
  md5: createHash('md5').update(text).digest('base64'),
})
