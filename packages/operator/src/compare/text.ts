/** A unified diff of two texts, by lines (Myers, "An O(ND) Difference Algorithm", 1986). */

/** Lines around a change that stand the same in both. */
const CONTEXT = 3
/** Texts that differ in more lines are shown as replaced: nobody reads on, and the search takes the square of it. */
const MOST_EDITS = 2000

interface Edit {
  readonly kind: ' ' | '-' | '+'
  readonly line: string
}

/** @returns '' when they are the same. */
export function unifiedDiff(
  before: string,
  after: string,
  names: readonly [string, string],
): string {
  if (before === after) return ''
  const hunks = hunksOf(edits(linesOf(before), linesOf(after)))
  return [`--- ${names[0]}`, `+++ ${names[1]}`, ...hunks].join('\n')
}

/** Each with what ends it: whether the last line ends is a difference too. */
const linesOf = (text: string): readonly string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? []

function edits(a: readonly string[], b: readonly string[]): readonly Edit[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end))
    end++
  const same = (lines: readonly string[]) => lines.map((line): Edit => ({ kind: ' ', line }))
  return [
    ...same(a.slice(0, start)),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...same(a.slice(a.length - end)),
  ]
}

const replaced = (a: readonly string[], b: readonly string[]): readonly Edit[] => [
  ...a.map((line): Edit => ({ kind: '-', line })),
  ...b.map((line): Edit => ({ kind: '+', line })),
]

function middle(a: readonly string[], b: readonly string[]): readonly Edit[] {
  if (a.length === 0 || b.length === 0) return replaced(a, b)
  const most = Math.min(a.length + b.length, MOST_EDITS)
  /** For each number of edits, how far each diagonal had come before it. */
  const trace: Map<number, number>[] = []
  const reach = new Map<number, number>([[1, 0]])
  const far = (k: number) => reach.get(k) ?? -1
  for (let d = 0; d <= most; d++) {
    trace.push(new Map(reach))
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && far(k - 1) < far(k + 1)) ? far(k + 1) : far(k - 1) + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      reach.set(k, x)
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace)
    }
  }
  return replaced(a, b)
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  trace: readonly ReadonlyMap<number, number>[],
): readonly Edit[] {
  const found: Edit[] = []
  let x = a.length
  let y = b.length
  for (let d = trace.length - 1; d >= 0; d--) {
    const far = (k: number) => trace[d]?.get(k) ?? -1
    const k = x - y
    const from = k === -d || (k !== d && far(k - 1) < far(k + 1)) ? k + 1 : k - 1
    const beforeX = d === 0 ? 0 : far(from)
    const beforeY = d === 0 ? 0 : beforeX - from
    while (x > beforeX && y > beforeY) {
      found.push({ kind: ' ', line: a[--x] as string })
      y--
    }
    if (d === 0) break
    if (x > beforeX) found.push({ kind: '-', line: a[--x] as string })
    else found.push({ kind: '+', line: b[--y] as string })
  }
  return found.toReversed()
}

const range = (from: number, length: number) => `${length === 0 ? from - 1 : from},${length}`

function hunksOf(all: readonly Edit[]): readonly string[] {
  const lines: string[] = []
  let old = 1
  let now = 1
  for (let at = 0; at < all.length;) {
    if (!all.slice(at, at + CONTEXT + 1).some(({ kind }) => kind !== ' ')) {
      at++
      old++
      now++
      continue
    }
    let end = at
    for (let i = at, quiet = 0; i < all.length && quiet <= 2 * CONTEXT; i++) {
      quiet = all[i]?.kind === ' ' ? quiet + 1 : 0
      if (quiet === 0) end = i + 1
    }
    const hunk = all.slice(at, Math.min(end + CONTEXT, all.length))
    const count = (kind: '-' | '+') =>
      hunk.filter((edit) => edit.kind === ' ' || edit.kind === kind).length
    lines.push(`@@ -${range(old, count('-'))} +${range(now, count('+'))} @@`)
    for (const { kind, line } of hunk) {
      lines.push(`${kind}${line.replace(/\n$/, '')}`)
      if (!line.endsWith('\n')) lines.push('\\ No newline at end of file')
    }
    old += count('-')
    now += count('+')
    at += hunk.length
  }
  return lines
}
