/**
 * Packs in a bucket of an S3 server, under the same names below the prefix that a directory gives them: whoever copies
 * all objects into a directory has a store that `ocm recover` reads.
 */
import { createHash } from 'node:crypto'
import { OcmError } from '@ocm/protocol'
import { handOut } from '@ocm/protocol/node'
import type { Contents } from '../nodes/adopt.port.ts'
import type { Packs } from '../nodes/ports.ts'
import { type Abilities, abilitiesOf } from './s3/abilities.ts'
import { type Bucket, openBucket, sentOf } from './s3/bucket.ts'
import { gate } from './s3/gate.ts'
import type { Patience } from './s3/persist.ts'
import type { BucketKeys, BucketPlace } from './s3/place.ts'
import type { Sent } from './s3/send.ts'
import { openSpool } from './s3/spool.ts'

export interface ObjectStoreWish {
  readonly place: BucketPlace
  readonly keys: BucketKeys
  /** A directory where packs wait until the server has them. */
  readonly spool: string
  readonly patience?: Patience
}

export interface ObjectStore extends Packs, Contents {
  readonly abilities: Abilities
  close(): void
}

/** More than any header has. */
const WHOLE = 2 ** 30

/** @throws OcmError 'store-failed' with `why`, when it cannot be used */
export async function openObjectStore(wish: ObjectStoreWish): Promise<ObjectStore> {
  const { place, keys, patience } = wish
  const bucket = openBucket(place, keys, patience)
  try {
    const spool = await openSpool(wish.spool)
    const abilities = await abilitiesOf(bucket, place, keys)
    return {
      ...packsIn(bucket, spool, abilities),
      ...contentsOf(bucket),
      abilities,
      close: bucket.close,
    }
  } catch (error) {
    bucket.close()
    throw error
  }
}

/** Of all nodes together. What is sent is in memory piece by piece; what waits is in the spool. */
const SENT_AT_ONCE = 32

const nameOf = (id: string) => `${id.slice(0, 2)}/${id}`

function packsIn(
  bucket: Bucket,
  spool: Awaited<ReturnType<typeof openSpool>>,
  { conditional, checked }: Abilities,
): Packs {
  const inTurn = gate(SENT_AT_ONCE)

  async function send(id: string, pack: Sent): Promise<void> {
    const name = nameOf(id)
    const answer = await bucket.put(name, pack, { isNew: conditional })
    const isSure = answer === 'stored' && checked
    if (isSure || (await store.check(id, pack.bytes)) === 'whole') return
    // What is there under this name is not it.
    await bucket.put(name, pack)
    if (!checked && (await store.check(id, pack.bytes)) !== 'whole') {
      throw new OcmError('store-failed', { why: 'the bucket gives back something else' })
    }
  }

  const store: Packs = {
    put: (id, bytes, body) =>
      spool.through(id, bytes, body, (pack) => inTurn(() => send(id, pack))),

    size: (id) => bucket.size(nameOf(id)),

    async *get(id, offset, length, room) {
      const pieces = bucket.get(nameOf(id), offset, length)
      for await (const piece of room ? gathered(pieces, room) : pieces) {
        yield piece
        if (!room) handOut(piece.length)
      }
    },

    async keepVault({ record, slots, epochs = [] }) {
      const wanted = new Map(slots.map((slot) => [`slot-${sha256(slot)}`, slot]))
      const there = await namesIn(bucket, 'vault/')
      const put = (name: string, bytes: Uint8Array) => bucket.put(`vault/${name}`, sentOf(bytes))
      // In the order of the directory: what opens the old, the new slots, and only then out with the old ones.
      for (const { epoch, bytes } of epochs) {
        if (!there.includes(`epoch-${epoch}`)) await put(`epoch-${epoch}`, bytes)
      }
      for (const [name, slot] of wanted) if (!there.includes(name)) await put(name, slot)
      await put('record', record)
      const old = there.filter((name) => name.startsWith('slot-') && !wanted.has(name))
      await bucket.remove(old.map((name) => `vault/${name}`))
    },

    async keepHeader(snapshot, statement) {
      await bucket.put(`snapshots/${snapshot}`, sentOf(statement))
    },

    async probe() {
      await bucket.put('.probe', sentOf(new Uint8Array()), { once: true })
    },

    remove: (ids) => bucket.remove(ids.map(nameOf)),

    removeHeader: (snapshot) => bucket.remove([`snapshots/${snapshot}`]),

    async check(id, bytes) {
      const hash = createHash('sha256')
      let read = 0
      try {
        // One more, to see that there is none.
        for await (const piece of bucket.get(nameOf(id), 0, bytes + 1)) {
          read += piece.length
          hash.update(piece)
          handOut(piece.length)
        }
      } catch (error) {
        if (error instanceof OcmError && error.code === 'pack-missing') return 'missing'
        throw error
      }
      return read === bytes && hash.digest('hex') === id ? 'whole' : 'damaged'
    },
  }
  return store
}

function contentsOf(bucket: Bucket): Contents {
  const whole = async (name: string) => {
    const pieces: Uint8Array[] = []
    for await (const piece of bucket.get(name, 0, WHOLE)) pieces.push(piece)
    return new Uint8Array(Buffer.concat(pieces))
  }
  return {
    async vault() {
      const names = await namesIn(bucket, 'vault/')
      if (!names.includes('record')) return undefined
      const slots = names.filter((name) => name.startsWith('slot-'))
      const epochs = names.flatMap((name) => /^epoch-(\d+)$/.exec(name)?.[1] ?? [])
      return {
        record: await whole('vault/record'),
        slots: await Promise.all(slots.map((name) => whole(`vault/${name}`))),
        epochs: await Promise.all(
          epochs.map(async (epoch) => ({
            epoch: Number(epoch),
            bytes: await whole(`vault/epoch-${epoch}`),
          })),
        ),
      }
    },

    async headers() {
      const found: { id: string; at: number }[] = []
      for await (const { key, at } of bucket.list('snapshots/')) {
        const id = key.slice('snapshots/'.length)
        if (/^[0-9a-f]{64}$/.test(id)) found.push({ id, at })
      }
      return found
    },

    header: (id) => whole(`snapshots/${id}`),
  }
}

async function namesIn(bucket: Bucket, folder: string): Promise<string[]> {
  const names: string[] = []
  for await (const { key } of bucket.list(folder)) names.push(key.slice(folder.length))
  return names
}

/** The same bytes in pieces that fill `room`, each good until the next. */
async function* gathered(
  pieces: AsyncIterable<Uint8Array>,
  room: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let held = 0
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + room.length - held)
      room.set(part, held)
      held += part.length
      from += part.length
      if (held < room.length) continue
      yield room
      held = 0
    }
    handOut(piece.length)
  }
  if (held > 0) yield room.subarray(0, held)
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
