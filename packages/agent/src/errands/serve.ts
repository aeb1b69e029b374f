/** An errand of the `ocm` command, done in this process: one, then it ends. */
import type { Readable, Writable } from 'node:stream'
import { type Errand, type ErrandEvent, type Primitives, toWireError } from '@ocm/protocol'
import type { Installation } from '../installation.port.ts'
import { type AdoptParts, adopt } from './adopt.ts'
import { archiveSnapshot } from './archive.ts'
import { type Line, openLine } from './line.ts'
import { unpack } from './unpack.ts'
import { writeSnapshot } from './write.ts'

export interface ErrandParts {
  readonly p: Primitives
  readonly rewrite: Installation['rewrite']
  readonly guest: AdoptParts['guest']
}

/** @returns the exit status: 0 done, 1 failed, which has been told. */
export async function serveErrand(
  parts: ErrandParts,
  input: Readable,
  output: Writable,
): Promise<number> {
  const line = await openLine(input, output)
  try {
    const result = await carryOut(parts, line, line.errand)
    await line.tell({ kind: 'done', result })
    return 0
  } catch (error) {
    await line.tell(failed(error))
    return 1
  }
}

function carryOut(parts: ErrandParts, line: Line, errand: Errand): Promise<unknown> {
  const { tell, fetch: ask } = line
  switch (errand.kind) {
    case 'write':
      return writeSnapshot({ ...parts, tell, ask }, errand)
    case 'unpack':
      return unpack(tell, errand)
    case 'archive':
      return archiveSnapshot({ ...parts, tell, ask }, errand)
    case 'adopt':
      return adopt({ ...parts, tell, finished: line.finished }, errand)
  }
}

function failed(error: unknown): ErrandEvent {
  const { code, facts } = toWireError(error)
  const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
  const cause = error instanceof Error ? (error.cause ?? (code === 'internal' ? error : '')) : ''
  const detail = cause instanceof Error ? (cause.stack ?? cause.message) : ''
  if (full)
    return { kind: 'failed', code: 'disk-full', facts: { needBytes: 1, freeBytes: 0 }, detail }
  return { kind: 'failed', code, facts, detail }
}
