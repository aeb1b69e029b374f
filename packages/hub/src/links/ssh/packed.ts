/**
 * The agent's program as it goes over a new line: deflated once, when the first lease is asked for, so that no borrower holds
 * it whole.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'

export interface Packed {
  /** SHA-256 of the program, hexadecimal. */
  readonly hash: string
  /** A file of it, deflated (RFC 1950). */
  readonly file: string
}

export async function packBundle(data: string, bundle: string): Promise<Packed> {
  const program = await readFile(bundle)
  const folder = join(data, 'ssh')
  const file = join(folder, 'agent.z')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(file, await promisify(deflate)(program), { mode: 0o600 })
  return { hash: createHash('sha256').update(program).digest('hex'), file }
}
