/**
 * A choice of parts: which of a node are to be put into a node that keeps everything else of its own. Parts are named
 * as the snapshot names them; what they are made of and what they stand on, it tells as ties.
 */
import { type Static, Type } from 'typebox'
import { Section } from './manifest.ts'
import { Strict } from './shapes.ts'

const Name = Type.String({ minLength: 1, maxLength: 1024 })
const names = Type.Array(Name, { maxItems: 1000 })

export const Selection = Strict({
  sections: Type.Optional(Type.Array(Section)),
  /** Personas by id, each with its workspace, credentials, conversations, cron jobs and bindings. */
  personas: Type.Optional(names),
  /** Cron jobs by id. */
  cron: Type.Optional(names),
  /** Parts of the configuration, as JSON pointers (RFC 6901). */
  config: Type.Optional(names),
})
export type Selection = Static<typeof Selection>

export const isEmptySelection = (only: Selection): boolean =>
  Object.values(only).every((chosen) => chosen.length === 0)

/** The keys of a JSON pointer; undefined when it is none, or means the whole. */
export function keysOfPointer(pointer: string): readonly string[] | undefined {
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  return pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** What stands at a pointer; undefined when nothing does. Positions in a list are no names: a list is chosen whole. */
export function valueAt(tree: unknown, pointer: string): unknown {
  const keys = keysOfPointer(pointer)
  if (keys === undefined) return undefined
  return keys.reduce<unknown>(
    (here, key) =>
      typeof here === 'object' && here !== null && !Array.isArray(here) && Object.hasOwn(here, key)
        ? (here as Readonly<Record<string, unknown>>)[key]
        : undefined,
    tree,
  )
}

/** Whether `pointer` is `around` or lies in it. */
export const isInPointer = (around: string, pointer: string): boolean =>
  pointer === around || pointer.startsWith(`${around}/`)
