/** Errors as they cross from a worker to the thread that waits for it. */
import { OcmError, fromWireError, toWireError } from '@ocm/protocol'
import type { Trouble } from './orders.ts'

export function toTrouble(error: unknown): Trouble {
  if (error instanceof OcmError) return { ocm: toWireError(error) }
  if (!(error instanceof Error)) return { message: String(error) }
  const { code, errno } = error as NodeJS.ErrnoException
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
  }
}

export function fromTrouble(trouble: Trouble): Error {
  if ('ocm' in trouble) return fromWireError(trouble.ocm)
  const { message, ...more } = trouble
  return Object.assign(new Error(message), more)
}
