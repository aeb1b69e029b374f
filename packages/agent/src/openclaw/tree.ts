/** Reading a configuration whose shape is not to be trusted: every step answers undefined instead of failing. */
export type Tree = Readonly<Record<string, unknown>>

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value at a dotted path of plain keys. */
export function at(value: unknown, dotted: string): unknown {
  let here = value
  for (const key of dotted.split('.')) {
    if (!isTree(here) || !Object.hasOwn(here, key)) return undefined
    here = here[key]
  }
  return here
}

export const treeAt = (value: unknown, dotted: string): Tree => {
  const found = at(value, dotted)
  return isTree(found) ? found : {}
}

/** A string with something in it. */
export function textAt(value: unknown, dotted: string): string | undefined {
  const found = at(value, dotted)
  return typeof found === 'string' && found.trim() !== '' ? found : undefined
}

export interface Found {
  readonly value: unknown
  /** The keys and array positions that lead to it. */
  readonly keys: readonly string[]
}

/** Everything a pattern names: '*' stands for any one key or array position, '**' for any number of them. */
export function findAll(value: unknown, pattern: string): readonly Found[] {
  const steps = pattern.split('.')
  const found: Found[] = []
  const visit = (here: unknown, step: number, keys: readonly string[]) => {
    const want = steps[step]
    if (want === undefined) {
      found.push({ value: here, keys })
      return
    }
    if (want === '**') visit(here, step + 1, keys)
    if (typeof here !== 'object' || here === null) return
    for (const [key, inner] of Object.entries(here)) {
      if (want === '**') visit(inner, step, [...keys, key])
      else if (want === '*' || want === key) visit(inner, step + 1, [...keys, key])
    }
  }
  visit(value, 0, [])
  return found
}

/** Arrays are joined, objects merged, anything else replaced: how OpenClaw merges what it includes. */
export function merge(under: unknown, over: unknown): unknown {
  if (Array.isArray(under) && Array.isArray(over)) return [...under, ...over]
  if (!isTree(under) || !isTree(over)) return over
  const out: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    if (key === '__proto__') continue
    out[key] = Object.hasOwn(under, key) ? merge(under[key], value) : value
  }
  return out
}
