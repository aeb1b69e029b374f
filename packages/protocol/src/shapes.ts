/** TypeBox building blocks for shapes that hold byte strings, and the one way to check a value against a shape. */
import { type Static, type TSchema, Type } from 'typebox'
import { fromCbor } from './cbor.ts'
import { checkerOf } from './checker.ts'
import { OcmError } from './errors.ts'

/** A byte string, of one exact length if given. */
export const Bytes = (length?: number) =>
  Type.Refine(
    Type.Unsafe<Uint8Array>({}),
    (value) => value instanceof Uint8Array && (length === undefined || value.length === length),
  )

/** An object without fields beyond those named. */
export const Strict = <T extends Record<string, TSchema>>(fields: T) =>
  Type.Object(fields, { additionalProperties: false })

/** Milliseconds since 1970, by the clock of whoever wrote it. */
export const Millis = Type.Integer({ minimum: 0 })
export const Count = Type.Integer({ minimum: 0 })

/** @throws OcmError 'malformed' */
export function check<T extends TSchema>(shape: T, value: unknown, what: string): Static<T> {
  if (!checkerOf(shape)(value)) throw new OcmError('malformed', { what })
  return value as Static<T>
}

/** @throws OcmError 'malformed' */
export function decodeAs<T extends TSchema>(shape: T, bytes: Uint8Array, what: string): Static<T> {
  return check(shape, fromCbor(bytes, what), what)
}
