/** What is done with a bucket: five verbs, each tried again for a while. */
import { createHash } from 'node:crypto'
import { OcmError } from '@ocm/protocol'
import { Refusal, storeFailed, Unanswered } from './failure.ts'
import { endurance, type Patience, persist } from './persist.ts'
import type { BucketKeys, BucketPlace } from './place.ts'
import {
  type Ask,
  codeIn,
  createSender,
  piecesOf,
  refusalOf,
  type Said,
  type Sent,
  textOfAnswer,
} from './send.ts'
import { type ListedObject, readDeletion, readListing, writeDeletion } from './xml.ts'

/** Names are those below the prefix. All throw OcmError 'store-failed', with `why` for people. */
export interface Bucket {
  /**
   * Answered when the server has said that it is stored.
   * @param how `isNew`: nothing is stored, and 'there' answered, when there is an object of this name;
   *   `once`: whatever fails is not tried again
   */
  put(
    name: string,
    body: Sent,
    how?: { isNew?: boolean; once?: boolean },
  ): Promise<'stored' | 'there'>
  /**
   * As many bytes as there are from `offset` on, up to `length`; goes on where it was cut off.
   * @throws OcmError 'pack-missing'
   */
  get(name: string, offset: number, length: number): AsyncGenerator<Uint8Array>
  /** Bytes of an object; undefined when there is none. */
  size(name: string): Promise<number | undefined>
  /** What begins like this, by and by. */
  list(beginning: string): AsyncGenerator<ListedObject>
  /** Those that are not there are gone. */
  remove(names: readonly string[]): Promise<void>
  close(): void
}

/** For bytes of a pack, over whatever line. */
const PATIENT: Patience = { silentMs: 15_000, forMs: 40_000 }
/** For what somebody waits for who keeps others waiting. */
const hastier = ({ silentMs, forMs }: Patience): Patience => ({
  silentMs: Math.min(silentMs, 4000),
  forMs: Math.min(forMs, 5000),
})

/** Removed in one request. */
const AT_ONCE = 1000
/** Removed side by side where a server knows no other way. */
const ABREAST = 16
/** What a server answers that does not remove many at once. */
const UNKNOWN_TO_IT = new Set([400, 405, 411, 501])

export function openBucket(
  place: BucketPlace,
  keys: BucketKeys,
  patient: Patience = PATIENT,
): Bucket {
  const sender = createSender(place, keys)
  const hasty = hastier(patient)
  let removesMany = true
  const keyOf = (name: string) => place.prefix + name

  /** One attempt. @throws Refusal for any answer that is not among `hoped` */
  async function asked(ask: Ask, hoped: readonly number[], silentMs: number): Promise<Said> {
    const said = await sender.send(ask, silentMs)
    if (hoped.includes(said.status)) return said
    throw await refusalOf(said, silentMs)
  }

  const textOf = (ask: Ask, hoped: readonly number[], patience: Patience) =>
    persist(patience, async () => {
      const said = await asked(ask, hoped, patience.silentMs)
      return { status: said.status, text: await textOfAnswer(said, patience.silentMs) }
    }).catch((cause: unknown) => {
      throw storeFailed(cause)
    })

  async function removeOne(name: string): Promise<void> {
    const ask = { method: 'DELETE', key: keyOf(name) } as const
    const { status, text } = await textOf(ask, [200, 204, 404], patient)
    if (status === 404 && codeIn(text) !== 'NoSuchKey') {
      throw storeFailed(new Refusal(status, codeIn(text)))
    }
  }

  /** Answers those that are to be removed one by one, so that the server says why not. */
  async function removeMany(names: readonly string[]): Promise<readonly string[]> {
    const body = sentOf(Buffer.from(writeDeletion(names.map(keyOf))))
    const ask = { method: 'POST', query: { delete: '' }, body } as const
    const { status, text } = await textOf(ask, [200, ...UNKNOWN_TO_IT], patient)
    removesMany = status === 200
    return readDeletion(text)?.length === 0 ? [] : names
  }

  return {
    async put(name, body, { isNew = false, once = false } = {}) {
      const headers = isNew ? { 'if-none-match': '*' } : {}
      const ask = { method: 'PUT', key: keyOf(name), headers, body } as const
      const { status } = await textOf(
        ask,
        isNew ? [200, 412] : [200],
        once ? { ...hasty, forMs: 0 } : patient,
      )
      return status === 412 ? 'there' : 'stored'
    },

    async *get(name, offset, length) {
      const end = offset + length
      const { silentMs } = patient
      const { after, refresh } = endurance(patient)
      for (let at = offset; at < end;) {
        try {
          const headers = { range: `bytes=${at}-${end - 1}` }
          const ask = { method: 'GET', key: keyOf(name), headers } as const
          const said = await asked(ask, [200, 206, 416], silentMs)
          const total = totalOf(said, at)
          for await (const piece of piecesOf(said, silentMs)) {
            if (said.status === 416) continue
            // A server that knows no ranges sends more.
            const wanted = piece.subarray(0, end - at)
            at += wanted.length
            yield wanted
            if (at >= end && wanted.length < piece.length) return
            refresh()
          }
          if (at >= total) return
          if (at < end) throw new Unanswered("the bucket's server stopped in the middle")
        } catch (error) {
          if (error instanceof Refusal && isAbsent(error)) throw new OcmError('pack-missing')
          await after(error).catch((cause: unknown) => {
            throw storeFailed(cause)
          })
        }
      }
    },

    async size(name) {
      const key = keyOf(name)
      const ask = { method: 'HEAD', key } as const
      try {
        return await persist(hasty, async () => {
          const said = await asked(ask, [200, 404], hasty.silentMs)
          said.body.resume()
          if (said.status === 200) return Number(said.headers['content-length'])
          // Without words it may mean the bucket as well, and a bucket that is gone has lost nothing.
          await textOfAnswer(await asked({ method: 'HEAD' }, [200], hasty.silentMs), hasty.silentMs)
          return undefined
        })
      } catch (cause) {
        throw storeFailed(cause)
      }
    },

    async *list(beginning) {
      let next: string | undefined
      do {
        const query = {
          'list-type': '2',
          prefix: keyOf(beginning),
          ...(next !== undefined && { 'continuation-token': next }),
        }
        const { text } = await textOf({ method: 'GET', query }, [200], patient)
        const page = readPage(text)
        for (const { key, at } of page.objects) yield { key: key.slice(place.prefix.length), at }
        next = page.next
      } while (next !== undefined)
    },

    async remove(names) {
      for (let from = 0; from < names.length; from += AT_ONCE) {
        const part = names.slice(from, from + AT_ONCE)
        const left = removesMany && part.length > 1 ? await removeMany(part) : part
        for (let at = 0; at < left.length; at += ABREAST) {
          await Promise.all(left.slice(at, at + ABREAST).map(removeOne))
        }
      }
    },

    close: sender.close,
  }
}

/** Bytes in memory, with their sums. */
export function sentOf(bytes: Uint8Array): Sent {
  return {
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest('base64'),
    pieces: async function* () {
      yield bytes
    },
  }
}

const isAbsent = ({ status, code }: Refusal) =>
  status === 404 && (code === 'NoSuchKey' || code === '')

/** Bytes of the whole object. @throws Refusal where the answer begins elsewhere than it was asked to */
function totalOf({ status, headers }: Said, at: number): number {
  if (status === 416) return 0
  if (status === 200 && at === 0) return Number(headers['content-length'])
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
  if (Number(first) !== at) throw new Refusal(status, 'another range')
  return Number(total)
}

function readPage(text: string) {
  try {
    return readListing(text)
  } catch (cause) {
    throw new OcmError('store-failed', { why: "the bucket's server does not list it" }, { cause })
  }
}
