/**
 * The swap: a list of renames that is carried out in order, or undone in the opposite order, as often as it takes.
 * Each has one side whose name exists for this job alone; whether something lies there tells whether the rename has
 * happened, so that a run after a crash goes on where the one before was cut off.
 */
import { rename } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import { exists, fsyncDirectory, onDisk, parentOf } from './disk.ts'

export interface Rename {
  readonly from: string
  readonly to: string
  /** The side whose name exists for this job alone. */
  readonly own: 'from' | 'to'
}

const isDone = async ({ from, to, own }: Rename): Promise<boolean> =>
  own === 'to' ? exists(to) : !(await exists(from))

/**
 * @param stray what to call something that has come to lie in the way since the list was made.
 * @throws OcmError 'apply-failed'
 */
export async function swapForward(renames: readonly Rename[], stray: string): Promise<void> {
  for (const step of renames) {
    if (!(await isDone(step))) await move(step.from, step.to, stray)
  }
}

/** @throws OcmError 'apply-failed' */
export async function swapBack(renames: readonly Rename[], stray: string): Promise<void> {
  for (const step of renames.toReversed()) {
    // What was carried over and has vanished since is made anew by itself.
    if ((await isDone(step)) && (await exists(step.to))) await move(step.to, step.from, stray)
  }
}

/** Renames durably; something that lies at `to` is moved out of the way, never overwritten. */
export async function move(from: string, to: string, stray: string): Promise<void> {
  try {
    if (await exists(to)) await rename(onDisk(to), onDisk(await freeName(`${to}${stray}`)))
    await rename(onDisk(from), onDisk(to))
  } catch (cause) {
    throw new OcmError('apply-failed', { step: 'swapping', why: whyNot(cause) }, { cause })
  }
  await fsyncDirectory(parentOf(to))
  if (parentOf(from) !== parentOf(to)) await fsyncDirectory(parentOf(from))
}

async function freeName(wanted: string): Promise<string> {
  let name = wanted
  for (let n = 2; await exists(name); n++) name = `${wanted}-${n}`
  return name
}

function whyNot(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EXDEV') return 'other-filesystem'
  if (code === 'EBUSY') return 'mount-point'
  return typeof code === 'string' ? code : 'unknown'
}
