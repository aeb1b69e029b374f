/** Which release this agent runs, and which it is trying: in its state directory, so that kills and power cuts forget nothing. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import {
  Bytes,
  Count,
  OcmError,
  type Primitives,
  Strict,
  decodeAs,
  fitsRelease,
  readRelease,
  toCbor,
} from '@ocm/protocol'
import { readDurable, removeDurable, writeDurable } from '../store/durable.ts'

const Kept = Strict({
  v: Type.Literal(1),
  /** Statement of the release that has proved itself; null: the program that was installed. */
  good: Type.Union([Bytes(), Type.Null()]),
  /** The one on trial, and how often it was started. */
  trial: Type.Union([Strict({ statement: Bytes(), starts: Count }), Type.Null()]),
  /** Highest serial of those that did not prove themselves. */
  failed: Type.Union([Count, Type.Null()]),
})
export type Kept = Static<typeof Kept>

const NOTHING: Kept = { v: 1, good: null, trial: null, failed: null }
const fileIn = (stateDir: string) => join(stateDir, 'update')

const programsIn = (stateDir: string) => join(stateDir, 'updates')
export const programOf = (stateDir: string, serial: number): string =>
  join(programsIn(stateDir), `${serial}.mjs`)

export async function readKept(stateDir: string): Promise<Kept> {
  const bytes = await readDurable(fileIn(stateDir))
  return bytes ? decodeAs(Kept, bytes, 'update file') : NOTHING
}

/** Answers when it is on disk. */
export async function keep(stateDir: string, kept: Kept): Promise<void> {
  await writeDurable(fileIn(stateDir), toCbor(kept))
}

/** @returns why a release is not taken: nothing older than what once ran well, nothing that once did not */
export function refusal(
  serial: number,
  known: { readonly runs: number; readonly good: number; readonly failed: number | null },
): string | undefined {
  if (serial <= known.runs || serial < known.good) return 'not newer'
  return known.failed !== null && serial <= known.failed ? 'failed' : undefined
}

export const worseOf = (failed: number | null, serial: number | null): number | null =>
  serial === null ? failed : Math.max(failed ?? 0, serial)

/** Whether its program is there or not. @returns null when it is not signed by this key */
export function serialOf(p: Primitives, key: Uint8Array, statement: Uint8Array): number | null {
  try {
    return readRelease(p, key, statement).serial
  } catch (error) {
    if (error instanceof OcmError) return null
    throw error
  }
}

export interface Verified {
  readonly serial: number
  readonly version: string
  readonly program: string
}

/** @returns undefined when it is not signed by this key, or its program is not there whole. */
export async function verified(
  p: Primitives,
  key: Uint8Array,
  stateDir: string,
  statement: Uint8Array,
): Promise<Verified | undefined> {
  try {
    const release = readRelease(p, key, statement)
    const program = programOf(stateDir, release.serial)
    const bytes = await readDurable(program)
    if (!bytes || !fitsRelease(p, release, bytes)) return undefined
    return { serial: release.serial, version: release.version, program }
  } catch (error) {
    if (error instanceof OcmError) return undefined
    throw error
  }
}

export const removeProgram = (stateDir: string, serial: number): Promise<void> =>
  removeDurable(programOf(stateDir, serial))

/** For when the program of that serial has proved itself: it is there, and whatever else may run is the installed one. */
export async function removeOtherPrograms(stateDir: string, serial: number): Promise<void> {
  const folder = programsIn(stateDir)
  const others = (await readdir(folder)).filter((name) => name !== `${serial}.mjs`)
  for (const name of others) await removeDurable(join(folder, name))
}
