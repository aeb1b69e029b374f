import type { Omission } from '@ocm/protocol'

/** A path of the installation could not be read. An omission, unlike every other error a capture meets. */
export class PathFailed extends Error {
  override readonly name = 'PathFailed'
  readonly why: Omission['why']

  constructor(why: Omission['why'], cause: unknown) {
    super(why, { cause })
    this.why = why
  }
}

/**
 * Runs one call of node:fs on a path of the installation.
 * @throws PathFailed, or the error itself when it says nothing about the path (no descriptors left, for instance)
 */
export function onPath<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    const why = whyOf(error)
    throw why === undefined ? error : new PathFailed(why, error)
  }
}

function whyOf(error: unknown): Omission['why'] | undefined {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    // Another directory or link is there now: what was found is not.
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'EISDIR':
      return 'vanished'
    case 'EACCES':
    case 'EPERM':
    case 'EIO':
    case 'ESTALE':
      return 'unreadable'
    case 'ENXIO':
    case 'ENODEV':
      return 'special'
    default:
      return undefined
  }
}
