/** The parts of a snapshot that can be chosen by themselves, and a choice of them while people make it. */
import {
  GRAFTABLE,
  type Manifest,
  type Section,
  type Selection,
  isEmptySelection,
} from '@ocm/protocol'

export type PartKind = 'personas' | 'cron' | 'sections'

export interface Part {
  /** As a selection names it. */
  readonly id: string
  /** For people; '' for sections, which they know by another name in each language. */
  readonly name: string
  /** The persona that a cron job is of. */
  readonly of: string
}

export type Parts = Readonly<Record<PartKind, readonly Part[]>>

export function partsOf({ inventory }: Pick<Manifest, 'inventory'>): Parts {
  const jobs = (inventory?.cron ?? []).filter(({ user }) => user)
  return {
    personas: (inventory?.personas ?? []).map((id) => ({ id, name: id, of: '' })),
    cron: jobs
      .map(({ id, name, persona }) => ({ id, name: name || id, of: persona }))
      .toSorted((a, b) => a.name.localeCompare(b.name)),
    sections: [...GRAFTABLE].map((id) => ({ id, name: '', of: '' })),
  }
}

export const isChosen = (only: Selection, kind: PartKind, id: string): boolean =>
  (only[kind] as readonly string[] | undefined)?.includes(id) === true

/** Whether a part comes along with another one that is chosen, so that there is nothing to choose. */
export function comesAlong(only: Selection, kind: PartKind, { of }: Pick<Part, 'of'>): boolean {
  const takes = (section: Section) => only.sections?.includes(section) === true
  if (kind === 'personas') return takes('personas')
  if (kind !== 'cron') return false
  return takes('cron') || takes('personas') || only.personas?.includes(of) === true
}

export function toggled(only: Selection, kind: PartKind, id: string): Selection {
  const was = (only[kind] ?? []) as readonly string[]
  const is = was.includes(id) ? was.filter((one) => one !== id) : [...was, id]
  const { [kind]: _, ...others } = only
  return is.length === 0 ? others : ({ ...others, [kind]: is } as Selection)
}

export const isNothing = (only: Selection | undefined): boolean =>
  only !== undefined && isEmptySelection(only)
