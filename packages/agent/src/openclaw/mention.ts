/** How one place where a path, host or port stands is told: a mention without what must not be read. */
import { type Mention, type PlacedPath, pathToBytes, pathsIn } from '@ocm/protocol'
import type { Spot, Walk } from './strings.ts'

/** A mention without the entry it stands in. */
export type Told = Omit<Mention, 'root' | 'path'>

export const mentionsIn = ({ root, path }: PlacedPath, told: readonly Told[]): readonly Mention[] =>
  told.map((one) => ({ root, path: pathToBytes(path), ...one }))

/** Of the words of one entry that name paths, as many are shown; the rest are counted in one mention without text. */
const MAX_PROSE = 20
const MAX_TEXT = 400

/** A walk that tells what it finds and changes nothing. */
export function tellingWalk(of: Omit<Walk, 'visit'>): Walk & { told(): Told[] } {
  const told: Told[] = []
  let prose = 0
  return {
    ...of,
    visit(spot) {
      if (spot.class === 'prose') prose += 1
      if (spot.class !== 'prose' || prose <= MAX_PROSE) told.push(toldOf(spot, of.rules))
      return spot.text
    },
    told: () => (prose > MAX_PROSE ? [...told, moreProse(prose - MAX_PROSE)] : told),
  }
}

function toldOf(spot: Spot, rules: Walk['rules']): Told {
  const { at, section, kind, class: is, under } = spot
  const needed = spot.needed === true && (kind === 'path' || kind === 'command')
  const text = spot.secret
    ? pathsOnly(spot, rules)
    : spot.class === 'prose'
      ? excerpt(spot, rules)
      : spot.text
  return { at, section, kind, class: is, text, under, ...(needed ? { needed } : {}) }
}

/** What stands among credentials is shown without what stands around it. */
function pathsOnly({ text }: Spot, rules: Walk['rules']): string {
  const found = pathsIn(text, rules)
  return found.map(({ index }) => /^[^\s"'`,;:|&<>]+/.exec(text.slice(index))?.[0] ?? '').join(' ')
}

function excerpt({ text }: Spot, rules: Walk['rules']): string {
  const line = text.trim()
  if (line.length <= MAX_TEXT) return line
  const first = pathsIn(line, rules)[0]?.index ?? 0
  const from = Math.max(0, first - MAX_TEXT / 4)
  return `${from > 0 ? '…' : ''}${line.slice(from, from + MAX_TEXT)}…`
}

const moreProse = (count: number): Told => ({
  at: `and ${count} more`,
  section: 'workspaces',
  kind: 'path',
  class: 'prose',
  text: '',
  under: '',
})
