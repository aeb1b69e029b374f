/** The plain bytes of a gzip file, counted on both sides while they stream. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { OcmError } from '@ocm/protocol'
import { refused, tooLarge } from './refused.ts'

const FREE_BYTES = 1024 * 1024

/**
 * @param maxRatio how many times as much as was read may come out, beyond the first MiB.
 * @throws OcmError 'archive-refused', 'archive-too-large', 'archive-unreadable'
 */
export async function* plainBytes(path: string, maxRatio: number): AsyncGenerator<Uint8Array> {
  const size = await sizeOf(path)
  const file = createReadStream(path)
  const gunzip = createGunzip()
  file.once('error', (error) => gunzip.destroy(error))
  file.pipe(gunzip)
  let out = 0
  try {
    for await (const part of gunzip) {
      out += (part as Buffer).length
      // What it has taken in, not what was handed to it.
      if (out > FREE_BYTES + maxRatio * gunzip.bytesWritten) {
        throw tooLarge('bytes for each one that it takes', maxRatio)
      }
      yield part as Buffer
    }
    if (gunzip.bytesWritten !== size) throw refused('there is something behind its end')
  } catch (cause) {
    if (cause instanceof OcmError) throw cause
    throw new OcmError('archive-unreadable', {}, { cause })
  } finally {
    gunzip.destroy()
    file.destroy()
  }
}

async function sizeOf(path: string): Promise<number> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new OcmError('archive-unreadable', {}, { cause })
  })
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw refused('it is no file')
    const start = Buffer.alloc(2)
    await handle.read(start, 0, 2, 0)
    if (start.readUInt16BE() !== 0x1f8b) throw refused('it is not compressed with gzip')
    return stat.size
  } finally {
    await handle.close()
  }
}
