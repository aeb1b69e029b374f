/** What differs between two trees of a configuration, each read with the eyes of its own node. */
import type { ConfigChange } from './changes.ts'
import type { Side } from './portable.ts'
import { sameText } from './portable.ts'

type Sides = readonly [Side, Side]
type Tree = Readonly<Record<string, unknown>>

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @returns by place, sorted; none when both say the same. */
export function compareTrees(
  a: unknown,
  b: unknown,
  sides: Sides,
  path = '',
): readonly ConfigChange[] {
  const [treeA, treeB] = [asTree(a), asTree(b)]
  if (treeA !== undefined && treeB !== undefined) {
    const names = [...new Set([...Object.keys(treeA), ...Object.keys(treeB)])].toSorted()
    return names.flatMap((name) => {
      const at = path === '' ? name : `${path}.${name}`
      const [before, after] = [treeA[name], treeB[name]]
      if (!Object.hasOwn(treeA, name))
        return [{ kind: 'added' as const, path: at, after: shown(after, sides[1]) }]
      if (!Object.hasOwn(treeB, name))
        return [{ kind: 'removed' as const, path: at, before: shown(before, sides[0]) }]
      return compareTrees(before, after, sides, at)
    })
  }
  if (isSame(a, b, sides, path)) return []
  return [{ kind: 'changed', path, before: shown(a, sides[0]), after: shown(b, sides[1]) }]
}

/** A list of things that each have an id of their own is looked at by id; in which order they stand does not matter. */
function asTree(value: unknown): Tree | undefined {
  if (isTree(value)) return value
  if (!Array.isArray(value) || value.length === 0) return undefined
  const ids = value.map((item: unknown) => (isTree(item) ? item['id'] : undefined))
  if (!ids.every((id) => typeof id === 'string') || new Set(ids).size < ids.length) return undefined
  return Object.fromEntries(value.map((item: unknown, n) => [ids[n] as string, item]))
}

function isSame(a: unknown, b: unknown, sides: Sides, path: string): boolean {
  if (typeof a === 'string' && typeof b === 'string') return sameText(a, b, sides)
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, n) => isEqual(item, b[n], sides, path))
  }
  const [own, others] = [sides[0].manifest.layout.port, sides[1].manifest.layout.port]
  return a === b || (/port$/i.test(path) && a !== 0 && a === own && b === others)
}

const isEqual = (a: unknown, b: unknown, sides: Sides, path: string): boolean =>
  compareTrees(a, b, sides, path).length === 0

function shown(value: unknown, side: Side): unknown {
  if (typeof value === 'string') return side.portable(value)
  if (Array.isArray(value)) return value.map((item) => shown(item, side))
  if (!isTree(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner, side)]))
}

/** Without the places that these JSON pointers name. */
export function without(tree: unknown, pointers: readonly string[]): unknown {
  if (!isTree(tree) || pointers.length === 0) return tree
  const below = new Map<string, string[]>()
  for (const pointer of pointers) {
    const [, name = '', ...rest] = pointer.split('/')
    below.set(name, [...(below.get(name) ?? []), rest.length === 0 ? '' : `/${rest.join('/')}`])
  }
  return Object.fromEntries(
    Object.entries(tree).flatMap(([name, inner]) => {
      const deeper = below.get(name)
      if (deeper === undefined) return [[name, inner]]
      return deeper.includes('') ? [] : [[name, without(inner, deeper)]]
    }),
  )
}
