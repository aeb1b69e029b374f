/**
 * Shapes made into functions, once each. TypeBox's own compiler makes source text, which a page that forbids `eval` does
 * not run, and its interpreter takes ten times as long. What is not known here is left to the interpreter.
 */
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'

type Checker = (value: unknown) => boolean

/** A schema as it lies in memory. */
interface Raw {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: TSchema | readonly TSchema[]
  readonly minItems?: number
  readonly maxItems?: number
  readonly additionalItems?: unknown
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: unknown
  readonly anyOf?: readonly TSchema[]
  readonly '~refine'?: readonly { readonly check: Checker }[]
}

const made = new WeakMap<TSchema, Checker>()

export function checkerOf(shape: TSchema): Checker {
  const known = made.get(shape)
  if (known) return known
  const checker = make(shape, shape as Raw) ?? ((value) => Value.Check(shape, value))
  made.set(shape, checker)
  return checker
}

const keywordsOf = (shape: TSchema) =>
  Object.getOwnPropertyNames(shape).filter(
    (name) => name !== '~kind' && name !== '~optional' && name !== '~unsafe',
  )

/** Nothing else may stand in a schema: a keyword that is passed over would be a check that is not made. */
const hasOnly = (shape: TSchema, ...names: readonly string[]) =>
  keywordsOf(shape).every((name) => names.includes(name))

/** Undefined for what is left to the interpreter. */
function make(shape: TSchema, raw: Raw): Checker | undefined {
  if (raw['~refine']) {
    return hasOnly(shape, '~refine') ? refined(raw['~refine'].map(({ check }) => check)) : undefined
  }
  if (raw.anyOf) return hasOnly(shape, 'anyOf') ? anyOf(raw.anyOf) : undefined
  if (raw.enum) return hasOnly(shape, 'enum') ? oneOf(raw.enum) : undefined
  if (raw.const !== undefined) {
    return hasOnly(shape, 'type', 'const') ? oneOf([raw.const]) : undefined
  }
  switch (raw.type) {
    case 'string':
      return hasOnly(shape, 'type', 'pattern') ? text(raw.pattern) : undefined
    case 'integer':
      return hasOnly(shape, 'type', 'minimum', 'maximum') ? integer(raw) : undefined
    case 'number':
      return hasOnly(shape, 'type') ? Number.isFinite : undefined
    case 'array':
      return hasOnly(shape, 'type', 'items', 'minItems', 'maxItems', 'additionalItems')
        ? array(raw)
        : undefined
    case 'object':
      return hasOnly(shape, 'type', 'properties', 'required', 'additionalProperties') &&
        raw.additionalProperties === false
        ? object(shape, raw)
        : undefined
    default:
      return undefined
  }
}

const refined = (checks: readonly Checker[]): Checker => {
  const [only] = checks
  return checks.length === 1 && only ? only : (value) => checks.every((check) => check(value))
}

const anyOf = (shapes: readonly TSchema[]): Checker => {
  const checkers = shapes.map(checkerOf)
  return (value) => checkers.some((check) => check(value))
}

const oneOf = (values: readonly unknown[]): Checker | undefined => {
  if (values.some((value) => typeof value === 'object')) return undefined
  const known = new Set(values)
  return (value) => known.has(value)
}

function text(pattern: string | undefined): Checker {
  if (pattern === undefined) return (value) => typeof value === 'string'
  const regular = new RegExp(pattern, 'u')
  return (value) => typeof value === 'string' && regular.test(value)
}

function integer({ minimum = -Infinity, maximum = Infinity }: Raw): Checker {
  return (value) =>
    Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
}

function array({
  items,
  minItems = 0,
  maxItems = Infinity,
  additionalItems,
}: Raw): Checker | undefined {
  if (items === undefined) return undefined
  if (!isList(items)) {
    if (additionalItems !== undefined) return undefined
    const check = checkerOf(items)
    return (value) => {
      if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) return false
      for (const item of value) if (!check(item)) return false
      return true
    }
  }
  const checks = items.map(checkerOf)
  if (additionalItems !== false || minItems !== checks.length) return undefined
  return (value) => {
    if (!Array.isArray(value) || value.length !== checks.length) return false
    for (let i = 0; i < checks.length; i++) if (!(checks[i] as Checker)(value[i])) return false
    return true
  }
}

const isList = (items: TSchema | readonly TSchema[]): items is readonly TSchema[] =>
  Array.isArray(items)

function object(shape: TSchema, { properties = {}, required = [] }: Raw): Checker {
  const checks = new Map(Object.entries(properties).map(([name, of]) => [name, checkerOf(of)]))
  const needed = new Set(required)
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    // Fields of anything else than a plain object are not what they seem; the interpreter knows.
    if (Object.getPrototypeOf(value) !== Object.prototype) return Value.Check(shape, value)
    let there = 0
    const fields = value as Readonly<Record<string, unknown>>
    for (const name of Object.keys(fields)) {
      const check = checks.get(name)
      if (check === undefined) return false
      const field = fields[name]
      // Whether a field may be there and undefined is the interpreter's to say.
      if (field === undefined) return Value.Check(shape, value)
      if (!check(field)) return false
      if (needed.has(name)) there += 1
    }
    return there === needed.size
  }
}
