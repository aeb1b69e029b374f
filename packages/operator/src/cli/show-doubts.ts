/** What a snapshot may not have as it was, as lines. */
import type { Omission } from '@ocm/protocol'
import type { Doubts } from '../snapshots/doubts.ts'
import { count } from './format.ts'

const SHOWN = 20

const BECAUSE: Readonly<Record<Omission['why'], string>> = {
  unreadable: 'Could not be read, and is not in it',
  vanished: 'Gone before it was read',
  special: 'Sockets, pipes, devices: nothing that can be stored',
  'other-filesystem': 'On another filesystem, and left out',
  regenerable: 'Makes itself again, and is left out',
}

/** Empty when everything was read as it stood. */
export function doubtLines({ warnings, unstable, omitted }: Doubts): readonly string[] {
  return [
    ...warnings.map(({ code, detail }) => `Warning: ${detail} (${code})`),
    ...listed('Changed each time it was read, so it may be torn', unstable),
    ...omitted.flatMap(({ why, paths }) =>
      // There are always some, and nobody misses them.
      why === 'regenerable'
        ? [`${BECAUSE[why]}: ${count(paths.length, 'place')}.`]
        : listed(BECAUSE[why], paths),
    ),
  ]
}

function listed(title: string, paths: readonly string[]): readonly string[] {
  if (paths.length === 0) return []
  const more = paths.length - SHOWN
  return [
    `${title}:`,
    ...paths.slice(0, SHOWN).map((path) => `  ${path}`),
    ...(more > 0 ? [`  and ${more} more (--json lists all)`] : []),
  ]
}
