/** Facts of an error as they came over a wire: what is no plain value is left out. */
import type { Facts } from '@ocm/protocol'

const isPlain = (value: unknown): value is Facts[string] =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

export const plainFacts = (facts: Readonly<Record<string, unknown>>): Facts =>
  Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (isPlain(value) ? [[name, value]] : [])),
  )
