/** Answers what a plan asks of its target: whether a place is there, a program is found, something listens. */
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { type TargetFacts, type TargetWish, pathToBytes } from '@ocm/protocol'
import type { Where } from './discovery.ts'
import { errno } from './errno.ts'
import { programPlaces } from './versions.ts'

export function answersTo(
  wish: TargetWish,
  where: Where,
  listens: (port: number) => boolean,
): NonNullable<TargetFacts['has']> {
  const places = programPlaces(where)
  const isThere = (name: string) =>
    places.some((directory) => isProgram(path.join(directory, name)))
  return {
    paths: wish.paths.map((one) => [one, path.isAbsolute(one) && exists(one)]),
    commands: wish.commands.map((one) => [one, !one.includes('/') && isThere(one)]),
    ports: wish.ports.map((one) => [one, listens(one)]),
  }
}

/** Links followed: one that leads nowhere is not there. What may not be looked at is not there for this account. */
export function exists(absolute: string): boolean {
  if (absolute.includes('\0')) return false
  try {
    return statSync(Buffer.from(pathToBytes(absolute)), { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (['ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'].includes(errno(error) ?? '')) return false
    throw error
  }
}

function isProgram(file: string): boolean {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch (error) {
    if (errno(error) === 'EACCES') return false
    throw error
  }
}
