/** What a package manager has made for a plugin, which no snapshot has: whether the plugin finds it on the target. */
import { equal } from './bytes.ts'
import { travels } from './fates.ts'
import { isWithin, pathFromBytes } from './layout.ts'
import type { Entry, Manifest } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Plan, PlanReport } from './plan.ts'
import { rewritePath } from './rewrite.ts'

/**
 * Inside of a plugin that comes along, what its package manager has made was not captured, and nothing makes it anew by
 * itself; it stays only where the target has it for the very same plugin.
 */
export function dependenciesLeft(
  { entries, layout, omissions, plugins = [] }: Manifest,
  part: Pick<Plan, 'kind' | 'rules'>,
  remade: NonNullable<TargetFacts['remade']>,
): readonly PlanReport[] {
  const inside = omissions.filter(({ why }) => why === 'regenerable')
  if (inside.length === 0) return []
  const coming = new Map<string, Entry>()
  for (const entry of entries) {
    const top = layout.roots[entry.root]
    if (entry.section !== 'plugins' || top === undefined || !travels(part, entry.travel)) continue
    coming.set(rewritePath(join(top, pathFromBytes(entry.path)), part.rules), entry)
  }
  const left = new Map<string, string>()
  for (const { root, path } of inside) {
    const was = join(layout.roots[root] ?? '', pathFromBytes(path))
    const around = was.slice(0, was.lastIndexOf('/'))
    if (!coming.has(rewritePath(around, part.rules))) continue
    const becomes = rewritePath(was, part.rules)
    const there = remade.find((one) => one.path === becomes)
    if (there && isSameBytes(coming.get(there.by)?.sha256, there.sha256)) continue
    const id = plugins.find((one) => isWithin(one.path, around))?.id ?? nameOf(around)
    if (!left.has(id)) left.set(id, becomes)
  }
  return [...left].map(([id, becomes]) => ({
    where: becomes,
    section: 'plugins' as const,
    text: id,
    why: 'dependencies-left' as const,
  }))
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const isSameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equal(a, b)

const join = (top: string, path: string) => (path === '' ? top : `${top}/${path}`)
