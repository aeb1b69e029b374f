/** Which directories a graft takes whole, and where each goes: to a place of its own, unless a restore puts it back. */
import type { Choices } from './choices.ts'
import { isWithin } from './layout.ts'
import type { Manifest, Tie } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Carried, Finding, Graft } from './plan.ts'
import { type Holds, isTaken, roomOf, splitPlace } from './ties.ts'

type Chosen = Pick<Graft, 'personas' | 'cron' | 'config' | 'sections'>

/** Outermost first. `kept`: what the target has already, and keeps. */
export function carry(
  manifest: Manifest,
  facts: TargetFacts,
  choices: Choices,
  chosen: Chosen,
): { readonly carried: readonly Carried[]; readonly kept: readonly string[] } {
  const wanted = wantedBy(manifest, { ...chosen, carried: [], shared: [] })
  const carried: Carried[] = []
  const kept: string[] = []
  const places = new Places(manifest, facts, carried)
  for (const one of wanted) {
    const around = carried.findLast(({ was }) => isWithin(was, one.was))
    const explicit = one.path === '' ? choices.roots[one.root] : undefined
    if (explicit !== undefined) carried.push({ ...one, to: explicit })
    else if (around !== undefined) {
      carried.push({ ...one, to: around.to + one.was.slice(around.was.length) })
    } else if (choices.kind !== 'clone') carried.push({ ...one, to: places.back(one) })
    else if (one.isShareable && places.isHere(one)) kept.push(`${one.root}:${one.path}`)
    else carried.push({ ...one, to: places.own(one, chosen) })
  }
  return {
    carried: carried.map(({ root, path, was, to }) => ({ root, path, was, to })),
    kept,
  }
}

interface Wanted extends Omit<Carried, 'to'> {
  readonly part: Tie['part']
  /** It is one of a kind that the target may have of its own, and then need not get. */
  readonly isShareable: boolean
}

function wantedBy(manifest: Manifest, graft: Graft): readonly Wanted[] {
  const found = new Map<string, Wanted>()
  for (const tie of manifest.ties ?? []) {
    if (tie.way !== 'brings' || (tie.what !== 'root' && tie.what !== 'directory')) continue
    if (!isTaken(tie, graft)) continue
    const { root, path } = tie.what === 'root' ? { root: tie.name, path: '' } : splitPlace(tie.name)
    const at = manifest.layout.roots[root]
    if (at === undefined) continue
    const was = path === '' ? at : `${at}/${path}`
    const isShareable = tie.part.kind === 'section'
    const known = found.get(was)
    // A persona's own place is made for it; that a section has it too does not matter then.
    if (known && (isShareable || !known.isShareable)) continue
    found.set(was, { root, path, was, part: tie.part, isShareable })
  }
  return [...found.values()].toSorted(
    (a, b) => a.was.length - b.was.length || (a.was < b.was ? -1 : 1),
  )
}

class Places {
  readonly #from: Readonly<Record<string, string>>
  readonly #here: Readonly<Record<string, string>>
  readonly #names: Holds['names']
  readonly #carried: readonly Carried[]

  constructor(manifest: Manifest, facts: TargetFacts, carried: readonly Carried[]) {
    this.#from = manifest.layout.roots
    this.#here = facts.layout.roots
    this.#names = facts.holds?.names ?? {}
    this.#carried = carried
  }

  /** Where it lay, as seen from the same root. */
  back({ root, path, was }: Wanted): string {
    const at = this.#here[root]
    if (path === '') return this.#alike(was) ?? was
    return at === undefined ? was : `${at}/${path}`
  }

  isHere({ root, path }: Wanted): boolean {
    if (path === '') return this.#here[root] !== undefined
    const name = path.slice(path.lastIndexOf('/') + 1)
    return this.#names[roomOf(`${root}:${path}`)]?.includes(name) === true
  }

  own(one: Wanted, { personas }: Chosen): string {
    const renamed = personas.find(
      ({ from }) => one.part.kind === 'persona' && from === one.part.name,
    )
    if (one.path !== '') {
      const at = `${this.#here[one.root] ?? one.was.slice(0, -one.path.length - 1)}/${one.path}`
      return renamed === undefined ? at : inItsName(at, renamed)
    }
    const alike = this.#alike(one.was)
    const wished = renamed === undefined ? alike : alike && inItsName(alike, renamed)
    if (wished !== undefined && this.#isFree(wished)) return wished
    const name = one.root.replace(':', '-')
    const base = `${this.#here['state'] ?? ''}/${renamed === undefined ? name : inItsName(name, renamed)}`
    for (let n = 1; ; n++) {
      const place = n === 1 ? base : `${base}-${n}`
      if (this.#isFree(place)) return place
    }
  }

  /** The same place below the target's state directory or home; undefined for what lay in neither. */
  #alike(was: string): string | undefined {
    for (const root of ['state', 'home']) {
      const from = this.#from[root]
      const to = this.#here[root]
      if (from === undefined || to === undefined || from === was) continue
      if (isWithin(from, was)) return to + was.slice(from.length)
    }
    return undefined
  }

  /** Known to be, for what lies directly in the home or the state directory; what lies deeper may be anything. */
  #isFree(place: string): boolean {
    const room = ['state', 'home'].find((root) => {
      const at = this.#here[root]
      return at !== undefined && place.startsWith(`${at}/`)
    })
    const at = room === undefined ? undefined : this.#here[room]
    if (at === undefined) return false
    const names = this.#names[`${room}:`]
    const [name = ''] = place.slice(at.length + 1).split('/')
    const meets = [...Object.values(this.#here), ...this.#carried.map(({ to }) => to)].some(
      (other) => isWithin(place, other) || (isWithin(other, place) && !isWithin(other, at)),
    )
    return names !== undefined && !names.includes(name) && !meets
  }
}

/** Of a path that ends in the old name, as `work` or `workspace-work`, the same with the new one. */
function inItsName(
  path: string,
  { from, to }: { readonly from: string; readonly to: string },
): string {
  if (from === to || !path.endsWith(from)) return path
  const before = path.at(-from.length - 1) ?? '/'
  return /[/_.:-]/.test(before) ? path.slice(0, -from.length) + to : path
}

/** @returns blockers for places that something of the target's own lies at, in or around. */
export function judgeCarried(graft: Graft, facts: TargetFacts): readonly Finding[] {
  return graft.carried.flatMap(({ root, to }) =>
    Object.entries(facts.layout.roots)
      .filter(([own, at]) => {
        if (own === root) return false
        if (own === 'home' || own === 'state') return isWithin(to, at)
        return isWithin(at, to) || isWithin(to, at)
      })
      .map(([own, at]): Finding => {
        return { code: 'roots-collide', weight: 'blocker', facts: { root, other: own, path: at } }
      }),
  )
}
