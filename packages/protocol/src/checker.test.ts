import { type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { expect, test } from 'vitest'
import { JobRequest, NodeState, SetupRequest, VaultState } from './api.ts'
import { checkerOf } from './checker.ts'
import { Entry, ManifestPage, ManifestRoot } from './manifest.ts'
import { Order } from './orders.ts'
import { Bytes, Strict } from './shapes.ts'
import { SnapshotHeader } from './snapshot.ts'
import { Slot, VaultRecord } from './vault.ts'

const SHAPES: readonly (readonly [string, TSchema])[] = [
  ['a page', ManifestPage],
  ['an entry', Entry],
  ['a root', ManifestRoot],
  ['a header', SnapshotHeader],
  ['a record', VaultRecord],
  ['a slot', Slot],
  ['an order', Order],
  ['a set-up', SetupRequest],
  ['a job request', JobRequest],
  ['a node', NodeState],
  ['a vault', VaultState],
  ['numbers', Strict({ a: Type.Number({ maximum: 7 }), b: Type.Optional(Type.Integer()) })],
  ['texts', Strict({ a: Type.String({ maxLength: 3 }), b: Type.Record(Type.String(), Bytes(2)) })],
  ['what is unknown', Strict({ a: Type.Unknown(), b: Type.Null(), c: Type.Boolean() })],
]

const ODD: readonly unknown[] = [
  null,
  undefined,
  '',
  'state',
  'a'.repeat(32),
  0,
  -1,
  1.5,
  NaN,
  2 ** 53,
  1n,
  true,
  false,
  [],
  {},
  new Uint8Array(32),
  new Uint8Array(0),
  new Date(0),
  new Map(),
]

/** Each value with one place changed: every place, by everything odd. */
function* changed(value: unknown): Generator<unknown> {
  yield* ODD
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const other of changed(item)) yield value.with(i, other)
      yield value.toSpliced(i, 1)
    }
    yield [...value, null]
  } else if (
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype
  ) {
    for (const [name, field] of Object.entries(value)) {
      for (const other of changed(field)) yield { ...value, [name]: other }
      const { [name]: _, ...rest } = value as Record<string, unknown>
      yield rest
    }
    yield { ...value, more: 1 }
    yield Object.assign(Object.create(null), value)
    yield Object.assign(Object.create({ inherited: 1 }), value)
  }
}

/** Something of the shape, or near to it. */
function like(shape: TSchema): unknown {
  const raw = shape as Record<string, unknown>
  const items = raw['items'] as TSchema | TSchema[] | undefined
  if (raw['anyOf']) return like((raw['anyOf'] as TSchema[])[0] as TSchema)
  if (raw['enum']) return (raw['enum'] as unknown[])[0]
  if (raw['const'] !== undefined) return raw['const']
  if (Array.isArray(items)) return items.map(like)
  if (items) return [like(items), like(items)]
  if (raw['properties']) {
    const fields = Object.entries(raw['properties'] as Record<string, TSchema>)
    return Object.fromEntries(fields.map(([name, field]) => [name, like(field)]))
  }
  const tries = [...ODD, 'b'.repeat(64), new Uint8Array(64), new Uint8Array(16), 1]
  return tries.find((value) => value !== undefined && Value.Check(shape, value))
}

test.each(SHAPES)('judges %s as the interpreter does', (_what, shape) => {
  const check = checkerOf(shape)
  const right = like(shape)
  const differing: unknown[] = []
  let taken = 0
  let refused = 0
  for (const value of [right, ...changed(right)]) {
    const isRight = Value.Check(shape, value)
    const judged = check(value)
    if (judged !== isRight) differing.push([judged, value])
    if (isRight) taken += 1
    else refused += 1
  }
  expect(differing).toEqual([])
  expect(taken).toBeGreaterThan(0)
  expect(refused).toBeGreaterThan(10)
})
