/**
 * Where a pack waits until it is stored: a file, so that however many nodes are slow and however often it has to be sent
 * again, the hub's memory does not grow with it. Nothing relies on it after a crash.
 */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { free, OcmError } from '@ocm/protocol'
import { handOut } from '@ocm/protocol/node'
import { makeDirectory, removeUnfinished, unfinishedName } from '../../durable.ts'
import type { Sent } from './send.ts'

/** Written in one. */
const HELD_BYTES = 1024 * 1024
/** Of each pack that is on its way to the bucket. */
const PIECE_BYTES = 128 * 1024

export interface Spool {
  /**
   * Takes in what is of this length and hash, and nothing else. Its file goes when `use` has ended.
   * @param body its pieces are the spool's from then on
   * @throws OcmError 'pack-mismatch', 'store-failed'
   */
  through<T>(
    id: string,
    bytes: number,
    body: AsyncIterable<Uint8Array>,
    use: (pack: Sent) => Promise<T>,
  ): Promise<T>
}

/** @param directory is made if it is missing; what a crash left in it is removed. */
export async function openSpool(directory: string): Promise<Spool> {
  await makeDirectory(directory)
  await removeUnfinished(directory)
  return {
    async through(id, bytes, body, use) {
      const path = unfinishedName(`${directory}/${id}`)
      const file = await written(open(path, 'wx+', 0o600))
      try {
        const md5 = await fill(file, id, bytes, body)
        return await use({ bytes, sha256: id, md5, pieces: () => piecesIn(file, bytes) })
      } finally {
        await file.close()
        await rm(path, { force: true })
      }
    },
  }
}

/** @returns its MD5 in base64 */
async function fill(
  file: FileHandle,
  id: string,
  bytes: number,
  body: AsyncIterable<Uint8Array>,
): Promise<string> {
  const sums: readonly Hash[] = [createHash('sha256'), createHash('md5')]
  const held: Uint8Array[] = []
  let heldBytes = 0
  let at = 0
  const writeHeld = async () => {
    if (heldBytes === 0) return
    const { bytesWritten } = await written(file.writev(held, at))
    if (bytesWritten < heldBytes) {
      const rest = Buffer.concat(held).subarray(bytesWritten)
      await written(file.write(rest, 0, rest.length, at + bytesWritten))
    }
    for (const piece of held.splice(0)) free(piece)
    at += heldBytes
    heldBytes = 0
  }
  for await (const piece of body) {
    if (at + heldBytes + piece.length > bytes) throw new OcmError('pack-mismatch')
    for (const sum of sums) sum.update(piece)
    held.push(piece)
    heldBytes += piece.length
    if (heldBytes >= HELD_BYTES) await writeHeld()
  }
  await writeHeld()
  const [sha256, md5] = sums
  if (at !== bytes || sha256?.digest('hex') !== id) throw new OcmError('pack-mismatch')
  return md5?.digest('base64') ?? ''
}

async function* piecesIn(file: FileHandle, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes;) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, bytes - at))
    const { bytesRead } = await written(file.read(piece, 0, piece.length, at))
    if (bytesRead === 0) throw new OcmError('store-failed', { why: 'the spool was cut short' })
    at += bytesRead
    yield piece.subarray(0, bytesRead)
    handOut(bytesRead)
  }
}

async function written<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new OcmError('store-failed', {}, { cause })
  }
}
