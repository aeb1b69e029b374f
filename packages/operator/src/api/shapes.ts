/** Lists of the API, which have no name of their own in the protocol. */
import { Id, Millis, Strict } from '@ocm/protocol'
import { type TSchema, Type } from 'typebox'

export type { Static, TSchema } from 'typebox'

export const listOf = <T extends TSchema>(shape: T) => Type.Array(shape)

/** API tokens without their secrets. */
export const TokenList = listOf(Strict({ id: Id, label: Type.String(), createdAt: Millis }))
