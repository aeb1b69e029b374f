/**
 * Packs in a directory: `<aa>/<sha256>`, the vault's record, slots and ended epochs in `vault/`, the signed headers in `snapshots/`.
 * With this directory and a recovery code everything can be restored; the catalog is not needed for it.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, chmod, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { OcmError, free } from '@ocm/protocol'
import { handOut } from '@ocm/protocol/node'
import type { Contents } from '../nodes/adopt.port.ts'
import type { Packs } from '../nodes/ports.ts'
import {
  isMissing,
  makeDirectory,
  removeUnfinished,
  syncDirectory,
  unfinishedName,
  writeDurably,
} from '../durable.ts'

/** Each read and write goes to another thread and back, so what many records carry is read and written in one. */
const AT_ONCE = 2 ** 20

/** @param root is made if it is missing; what a crash left half-written in it is removed. */
export async function openPackDirectory(root: string): Promise<Packs & Contents> {
  await makeDirectory(root)
  await chmod(root, 0o700)
  await removeUnfinished(root)

  const shelfOf = (id: string) => `${root}/${id.slice(0, 2)}`
  const pathOf = (id: string) => `${shelfOf(id)}/${id}`

  async function size(id: string): Promise<number | undefined> {
    try {
      return (await stat(pathOf(id))).size
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw new OcmError('store-failed', {}, { cause })
    }
  }

  return {
    size,

    async put(id, bytes, body) {
      const unfinished = unfinishedName(pathOf(id))
      try {
        await stored(makeDirectory(shelfOf(id)))
        await write(unfinished, id, bytes, body)
        await stored(rename(unfinished, pathOf(id)))
      } finally {
        await rm(unfinished, { force: true })
      }
      await stored(syncDirectory(shelfOf(id)))
    },

    async *get(id, offset, length, room) {
      const file = await openToRead(pathOf(id))
      try {
        const end = offset + length
        for (let at = offset; at < end;) {
          const piece = room ?? Buffer.allocUnsafeSlow(Math.min(AT_ONCE, end - at))
          const wanted = Math.min(piece.length, end - at)
          const { bytesRead } = await stored(file.read(piece, 0, wanted, at))
          if (bytesRead === 0) return
          at += bytesRead
          yield piece.subarray(0, bytesRead)
          if (room === undefined) handOut(bytesRead)
        }
      } finally {
        await file.close()
      }
    },

    async keepVault({ record, slots, epochs = [] }) {
      const wanted = new Map(slots.map((slot) => [`slot-${sha256(slot)}`, slot]))
      await stored(
        (async () => {
          await makeDirectory(`${root}/vault`)
          const there = await readdir(`${root}/vault`)
          // In this order: what opens the old, the new slots, and only then out with the old ones.
          for (const { epoch, bytes } of epochs) {
            const name = `epoch-${epoch}`
            if (!there.includes(name)) await writeDurably(`${root}/vault/${name}`, bytes)
          }
          for (const [name, slot] of wanted) {
            if (!there.includes(name)) await writeDurably(`${root}/vault/${name}`, slot)
          }
          await writeDurably(`${root}/vault/record`, record)
          for (const name of there) {
            if (name.startsWith('slot-') && !wanted.has(name)) await rm(`${root}/vault/${name}`)
          }
          await syncDirectory(`${root}/vault`)
        })(),
      )
    },

    async vault() {
      const names = await namesIn(`${root}/vault`)
      if (!names.includes('record')) return undefined
      const bytesOf = (name: string) => stored(readFile(`${root}/vault/${name}`))
      const slots = names.filter((name) => name.startsWith('slot-'))
      const epochs = names.flatMap((name) => /^epoch-(\d+)$/.exec(name)?.[1] ?? [])
      return {
        record: new Uint8Array(await bytesOf('record')),
        slots: await Promise.all(slots.map(async (name) => new Uint8Array(await bytesOf(name)))),
        epochs: await Promise.all(
          epochs.map(async (epoch) => ({
            epoch: Number(epoch),
            bytes: new Uint8Array(await bytesOf(`epoch-${epoch}`)),
          })),
        ),
      }
    },

    async headers() {
      const names = await namesIn(`${root}/snapshots`)
      const headers = names.filter((name) => /^[0-9a-f]{64}$/.test(name))
      return Promise.all(
        headers.map(async (id) => ({
          id,
          at: Math.floor((await stored(stat(`${root}/snapshots/${id}`))).mtimeMs),
        })),
      )
    },

    header: async (id) => new Uint8Array(await stored(readFile(`${root}/snapshots/${id}`))),

    keepHeader: (snapshot, statement) =>
      stored(writeDurably(`${root}/snapshots/${snapshot}`, statement)),

    probe: () => stored(writeDurably(`${root}/.probe`, '')),

    remove: (ids) =>
      stored(
        (async () => {
          for (const id of ids) await rm(pathOf(id), { force: true })
          for (const shelf of new Set(ids.map(shelfOf))) await syncIfThere(shelf)
        })(),
      ),

    removeHeader: (snapshot) =>
      stored(
        (async () => {
          await rm(`${root}/snapshots/${snapshot}`, { force: true })
          await syncIfThere(`${root}/snapshots`)
        })(),
      ),

    async check(id, bytes) {
      const hash = createHash('sha256')
      let read = 0
      try {
        for await (const piece of createReadStream(pathOf(id), {
          highWaterMark: CHECKED_AT_ONCE,
        })) {
          read += (piece as Uint8Array).length
          hash.update(piece as Uint8Array)
        }
      } catch (cause) {
        // A disk that cannot read a sector has lost it. A store that is not there at all has lost nothing.
        if ((cause as NodeJS.ErrnoException).code === 'EIO') return 'damaged'
        if (!isMissing(cause) || !(await isThere(root)))
          throw new OcmError('store-failed', {}, { cause })
        return 'missing'
      }
      return read === bytes && hash.digest('hex') === id ? 'whole' : 'damaged'
    },
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (cause) {
    if (isMissing(cause)) throw new OcmError('pack-missing')
    throw new OcmError('store-failed', {}, { cause })
  }
}

async function write(
  path: string,
  id: string,
  bytes: number,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const file = await stored(open(path, 'wx', 0o600))
  const held: Uint8Array[] = []
  let heldBytes = 0
  const writeHeld = async () => {
    await stored(writeWhole(file, held))
    for (const piece of held.splice(0)) free(piece)
    heldBytes = 0
  }
  try {
    await checked(id, bytes, body, async (piece) => {
      held.push(piece)
      heldBytes += piece.length
      if (heldBytes >= AT_ONCE) await writeHeld()
    })
    await writeHeld()
    await stored(file.sync())
  } finally {
    await file.close()
  }
}

/** A system may write less than it is asked to. */
async function writeWhole(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  if (pieces.length === 0) return
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const { bytesWritten } = await file.writev(pieces)
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(pieces).subarray(bytesWritten))
}

/** @throws OcmError 'pack-mismatch' */
async function checked(
  id: string,
  bytes: number,
  body: AsyncIterable<Uint8Array>,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  const hash = createHash('sha256')
  let read = 0
  for await (const piece of body) {
    read += piece.length
    if (read > bytes) throw new OcmError('pack-mismatch')
    hash.update(piece)
    await take(piece)
  }
  if (read !== bytes || hash.digest('hex') !== id) throw new OcmError('pack-mismatch')
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const CHECKED_AT_ONCE = 1024 * 1024

/** Whoever removes a pack leaves its shelf; a store that is not mounted is empty, or not there. */
const isThere = async (root: string): Promise<boolean> => {
  try {
    return (await readdir(root)).length > 0
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (cause) {
    if (isMissing(cause)) return []
    throw new OcmError('store-failed', {}, { cause })
  }
}

async function syncIfThere(directory: string): Promise<void> {
  try {
    await syncDirectory(directory)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new OcmError('store-failed', {}, { cause })
  }
}
