/** What everything on a node is made of and stands on, so that a choice of parts can be judged by who knows no names. */
import { type Mention, type PlacedPath, type Tie, isWithin, placeOf } from '@ocm/protocol'
import type { Profile } from '../listing.ts'
import type { Persona } from '../personas.ts'
import type { Sight } from '../sight.ts'
import { brings, needs, persona, section } from './config-ties.ts'

/** What only a capture knows: every file that it has taken. */
export interface Taken {
  readonly places: Iterable<PlacedPath>
  /** Of the configuration. */
  readonly files: readonly PlacedPath[]
  readonly mentions: readonly Mention[]
}

const DATABASE: PlacedPath = { root: 'state', path: 'state/openclaw.sqlite' }
const ENV: PlacedPath = { root: 'state', path: '.env' }
/** Sections whose parts have rows in it, or stand on some. */
const IN_DATABASE = ['personas', 'cron', 'credentials', 'workspaces']

/** Sorted, each once. */
export function tiesOf(
  sight: Sight,
  personas: readonly Persona[],
  taken: Taken | undefined,
): readonly Tie[] {
  const found = [
    ...sight.config.ties,
    ...credentials(sight),
    ...variables(sight),
    ...(sight.state?.cron ?? []).flatMap(({ id, needs: all }) =>
      all.map(([what, name]) => needs({ kind: 'cron', name: id }, what, name)),
    ),
    ...(taken === undefined ? [] : things(sight, personas, taken)),
  ]
  const byKey = new Map(found.map((tie) => [JSON.stringify(tie), tie]))
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, tie]) => tie)
}

function credentials({ state, agents }: Sight): readonly Tie[] {
  return [
    ...profiles(section('credentials'), state?.authProfiles ?? []),
    ...(state?.secrets ?? []).map((name) =>
      brings(section('credentials'), 'secrets', `store/${name}`),
    ),
    ...agents.flatMap(({ persona: id, listing }) => profiles(persona(id), listing.authProfiles)),
  ]
}

const profiles = (part: Tie['part'], listed: readonly Profile[]): readonly Tie[] =>
  listed.flatMap(({ name, type }) => {
    const login = type === 'oauth' ? { identity: true as const } : {}
    const provider = name.split(':', 1)[0] as string
    return [
      { ...brings(part, 'credential', name), ...login },
      { ...brings(part, 'provider', provider), ...login },
    ]
  })

/** A key or a bot's token in the environment does what a profile or a channel's entry would. */
function variables(sight: Sight): readonly Tie[] {
  const part = section('environment')
  return (sight.told('assigned', ENV) ?? []).flatMap(([name]) => {
    const provider = /^([A-Z0-9]+)_API_KEY$/.exec(name)?.[1]?.toLowerCase()
    const channel = /^([A-Z0-9]+)_BOT_TOKEN$/.exec(name)?.[1]?.toLowerCase()
    return [
      brings(part, 'variable', name),
      ...(provider === undefined ? [] : [brings(part, 'provider', provider)]),
      ...(channel === undefined
        ? []
        : [{ ...brings(part, 'channel', channel), identity: true as const }]),
    ]
  })
}

function things(sight: Sight, personas: readonly Persona[], taken: Taken): readonly Tie[] {
  const { layout } = sight
  const found: Tie[] = []
  const shares = (part: string, { root, path }: PlacedPath) =>
    found.push(brings(section(part), 'shared', `${root}:${path}`))
  for (const file of taken.files) shares('gateway', file)
  for (const part of IN_DATABASE) shares(part, DATABASE)
  shares('environment', ENV)
  for (const { id, workspace, directory } of personas) {
    for (const [root, absolute] of Object.entries(layout.roots)) {
      if (absolute !== workspace || root === 'home' || root === 'state') continue
      found.push(brings(persona(id), 'root', root), brings(section('workspaces'), 'root', root))
    }
    const place = placeOf(layout, directory)
    if (place === undefined || place.root === 'home') continue
    if (place.root !== 'state') found.push(brings(persona(id), 'root', place.root))
    else {
      // What lies beside it is the same persona's.
      const path = place.path.replace(new RegExp(`^(agents/${id})/agent$`), '$1')
      found.push(brings(persona(id), 'directory', `state:${path}`))
    }
  }
  for (const { at, under, kind } of taken.mentions) {
    if (kind !== 'path' || !under.startsWith('extra:') || !at.startsWith('/')) continue
    found.push(brings({ kind: 'config', name: at }, 'root', under))
    const whose = sight.config.ties.find(
      ({ part, way, what, name }) =>
        part.kind === 'persona' && way === 'brings' && what === 'config' && isWithin(name, at),
    )
    if (whose !== undefined) found.push(brings(whose.part, 'root', under))
  }
  for (const { root, path } of taken.places) {
    if (root !== 'state') continue
    const inside = OF_SECTIONS.exec(path)
    if (inside === null) continue
    const room = inside[0].split('/', 1)[0] as string
    found.push(brings(section(SECTION_OF[room] as string), 'directory', `state:${inside[0]}`))
  }
  return found
}

/** Below the state directory, what is one thing each. */
const OF_SECTIONS =
  /^(?:(?:skills|extensions|hooks)\/[^/]+|(?:skill-library|secrets\.json)(?=$|\/))/
const SECTION_OF: Readonly<Record<string, string>> = {
  skills: 'skills',
  extensions: 'plugins',
  hooks: 'plugins',
  'skill-library': 'skills',
  'secrets.json': 'credentials',
}
