/**
 * What no rewriting makes right: a place that is on neither side, a program that the target does not have, a port that
 * is taken there. The plan asks the target about them, and tells each.
 */
import { type Static, Type } from 'typebox'
import { toCbor } from './cbor.ts'
import { dependenciesLeft } from './dependencies.ts'
import { keyOf, travels } from './fates.ts'
import { isWithin, pathFromBytes } from './layout.ts'
import type { Manifest, Mention } from './manifest.ts'
import type { Description, TargetFacts } from './orders.ts'
import type { Finding, Plan, PlanReport } from './plan.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { pathsIn, rewritePath } from './rewrite.ts'
import { openSealed, sealTo } from './sealing.ts'
import { Strict, decodeAs } from './shapes.ts'

const MOST = 2000
/** No system takes a longer one. */
const LONGEST_PATH = 4096

/** What a plan would like to know of its target, beside what every target tells. It names places: it is sealed. */
export const TargetWish = Strict({
  paths: Type.Array(Type.String({ maxLength: LONGEST_PATH }), { maxItems: MOST }),
  /** Programs by name. */
  commands: Type.Array(Type.String({ maxLength: 64 }), { maxItems: MOST }),
  ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { maxItems: MOST }),
})
export type TargetWish = Static<typeof TargetWish>

/** A wish goes to the node that described itself, and is of use with that description alone. */
type WishContext = Pick<Description, 'node' | 'nonce'>
const contextOf = ({ node, nonce }: WishContext) => ({ node, nonce })

/** @param jobKey the target's, from that description */
export const sealWish = (
  p: Primitives,
  jobKey: Uint8Array,
  about: WishContext,
  wish: TargetWish,
): Uint8Array => sealTo(p, [jobKey], 'wish', contextOf(about), toCbor(wish))

/** @throws OcmError 'seal-broken', 'malformed' */
export const openWish = (
  p: Primitives,
  jobKey: KeyPair,
  about: WishContext,
  sealed: Uint8Array,
): TargetWish =>
  decodeAs(TargetWish, openSealed(p, jobKey, 'wish', contextOf(about), sealed), 'wish')

type Part = Pick<Plan, 'kind' | 'rules' | 'port'>

/** Nothing is asked for that the snapshot itself brings. */
export function wishOf(manifest: Manifest, part: Part): TargetWish {
  const paths = new Set<string>()
  const commands = new Set<string>()
  const ports = new Set<number>()
  for (const { becomes } of pluginsOf(manifest, part)) {
    if (becomes.length <= LONGEST_PATH) paths.add(becomes)
  }
  for (const asked of askedOf(manifest, part)) {
    for (const { becomes } of asked.places) if (becomes.length <= LONGEST_PATH) paths.add(becomes)
    if (asked.mention.kind === 'command') commands.add(asked.mention.text)
    if (asked.port !== undefined) ports.add(asked.port)
  }
  return { paths: some(paths), commands: some(commands), ports: some(ports) }
}

const some = <T>(of: ReadonlySet<T>): T[] => [...of].slice(0, MOST)

/** Everything that stays as it is and may not hold on the target. */
export function reportsOf(
  manifest: Manifest,
  part: Part,
  facts: Pick<TargetFacts, 'has' | 'layout' | 'portsInUse' | 'remade'>,
): readonly PlanReport[] {
  const answers = answersOf(facts)
  const found = askedOf(manifest, part).flatMap((asked): PlanReport[] => {
    const why = whyOf(asked, answers)
    if (why === undefined) return []
    const { mention, places } = asked
    const missing = places.find(({ becomes }) => answers.paths.get(becomes) !== true)
    const text = why.startsWith('path-') && missing ? missing.becomes : mention.text
    return [{ where: whereOf(mention), section: mention.section, text, why }]
  })
  const unknown = (manifest.unknowns ?? []).flatMap(({ name, schema, known, parts }) => [
    ...(schema > known ? [tell(name, `${schema} > ${known}`, 'schema-unknown')] : []),
    ...parts.map((one) => tell(name, one, 'table-unknown')),
  ])
  return [
    ...found,
    ...missingPlugins(manifest, part, answers),
    ...dependenciesLeft(manifest, part, facts.remade ?? []),
    ...unknown,
    ...blindSpots(manifest, part),
  ]
}

/** Those whose files are not in the snapshot: what OpenClaw installs into directories of its own stays behind. */
function pluginsOf(
  manifest: Manifest,
  part: Part,
): readonly { readonly id: string; readonly becomes: string }[] {
  const travelling = travelsOf(manifest)
  return (manifest.plugins ?? []).flatMap(({ id, path }) => {
    const isBrought = [...(travelling.get(path) ?? [])].some((one) => travels(part, one))
    return isBrought ? [] : [{ id, becomes: rewritePath(path, part.rules) }]
  })
}

function missingPlugins(manifest: Manifest, part: Part, { paths }: Answers): readonly PlanReport[] {
  return pluginsOf(manifest, part).flatMap(({ id, becomes }) => {
    if (paths.get(becomes) === true) return []
    const why = paths.has(becomes) ? 'plugin-missing' : 'path-unchecked'
    return [
      {
        where: `plugin ${id}`,
        section: 'plugins' as const,
        text: why === 'plugin-missing' ? id : becomes,
        why,
      },
    ]
  })
}

const UNREAD: Readonly<Record<'large' | 'database' | 'encoding', (size: number) => string>> = {
  large: (size) => `${Math.round(size / 1024 / 1024)} MB`,
  database: () => 'a database',
  encoding: () => 'not UTF-8',
}

function blindSpots({ blind, entries }: Manifest, part: Part): readonly PlanReport[] {
  if (blind === undefined) return []
  const { fields, texts, first } = blind
  const told = new Set(entries.filter(({ travel }) => travels(part, travel)).map(keyOf))
  const here = first.filter((one) => told.has(keyOf(one)))
  const more = texts - first.length
  return [
    ...fields.map(({ at, text }) => tell(`configuration ${at}`, text, 'field-unknown')),
    ...here.map(({ root, path, section, size, is }): PlanReport => ({
      where: `${root}:${pathFromBytes(path)}`,
      section,
      text: UNREAD[is ?? 'large'](size),
      why: 'text-unscanned',
    })),
    ...(more > 0 ? [tell(`and ${more} more`, '', 'text-unscanned')] : []),
  ]
}

const tell = (where: string, text: string, why: PlanReport['why']): PlanReport => ({
  where,
  section: 'gateway',
  text,
  why,
})

export const whereOf = ({ root, path, at }: Pick<Mention, 'root' | 'path' | 'at'>): string =>
  `${root}:${pathFromBytes(path)} ${at}`

interface Asked {
  readonly mention: Mention
  /** Places of a path mention that the snapshot does not bring. */
  readonly places: readonly { readonly was: string; readonly becomes: string }[]
  /** Of a port, or of an address of the machine itself. */
  readonly port: number | undefined
}

interface Answers {
  readonly paths: ReadonlyMap<string, boolean>
  readonly commands: ReadonlyMap<string, boolean>
  readonly ports: ReadonlyMap<number, boolean>
}

const answersOf = ({ has, portsInUse }: Pick<TargetFacts, 'has' | 'portsInUse'>): Answers => ({
  paths: new Map(has?.paths),
  commands: new Map(has?.commands),
  ports: new Map([...portsInUse.map((port) => [port, true] as const), ...(has?.ports ?? [])]),
})

function whyOf(
  { mention, places, port }: Asked,
  { paths, commands, ports }: Answers,
): PlanReport['why'] | undefined {
  switch (mention.kind) {
    case 'path':
      if (places.every(({ becomes }) => paths.get(becomes) === true)) return undefined
      if (places.some(({ becomes }) => !paths.has(becomes))) return 'path-unchecked'
      return mention.missing ? 'path-nowhere' : 'path-missing'
    case 'command':
      return commands.get(mention.text) === false ? 'command-missing' : undefined
    case 'port':
      return port !== undefined && ports.get(port) === true ? 'port-in-use' : undefined
    case 'host':
      if (port === undefined) return 'host'
      return ports.get(port) === false ? 'localhost-silent' : 'localhost'
    case 'identity':
      return undefined
  }
}

function askedOf(manifest: Manifest, part: Part): readonly Asked[] {
  const stays = new Set(
    manifest.entries.filter(({ travel }) => !travels(part, travel)).map((entry) => keyOf(entry)),
  )
  const brought = broughtBy(manifest, part)
  return manifest.mentions.flatMap((mention): Asked[] => {
    if (stays.has(keyOf(mention))) return []
    const { kind, needed, text } = mention
    if (kind === 'path') {
      if (needed !== true) return []
      const places = placesIn(text, part.rules)
        .filter((was) => !brought(was))
        .map((was) => ({ was, becomes: rewritePath(was, part.rules) }))
      return [{ mention, places, port: undefined }]
    }
    if (kind === 'host') return [{ mention, places: [], port: localPort(text) }]
    // The gateway's own is looked at by itself.
    const number = kind === 'port' ? asPort(text) : undefined
    const port = number === part.port.from ? undefined : number
    return kind === 'command' || port !== undefined ? [{ mention, places: [], port }] : []
  })
}

const LOCAL =
  /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\])(?::(\d+))?(?:\/|$)/i
const SCHEME_PORTS: Readonly<Record<string, number>> = { http: 80, ws: 80, https: 443, wss: 443 }

function localPort(text: string): number | undefined {
  const found = LOCAL.exec(text)
  if (!found) return undefined
  const scheme = /^[a-z]+/i.exec(text)?.[0].toLowerCase() ?? ''
  return found[1] === undefined ? (SCHEME_PORTS[scheme] ?? 80) : asPort(found[1])
}

/** People write what they like: what is no port is not asked about. */
function asPort(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : 0
  return number >= 1 && number <= 65_535 ? number : undefined
}

/** The absolute places that a text names, as on the source. Patterns and variables are no places. */
export function placesIn(text: string, rules: Plan['rules']): readonly string[] {
  const home = rules.find(({ root }) => root === 'home')?.was ?? ''
  const found =
    /^(?:\/|~\/)/.test(text) && isOnePath(text) ? text.split(/:(?=[/~])/) : named(text, rules)
  return found
    .map((path) => (path.startsWith('~/') && home !== '' ? home + path.slice(1) : path))
    .map((path) => (path.length > 1 ? path.replace(/\/+$/, '') : path))
    .filter((path) => /^\/[^/]/.test(path) && !/[*?{}$\0]/.test(path))
}

const isOnePath = (text: string): boolean => !/[\n\r\t]| [-/~]/.test(text)

const named = (text: string, rules: Plan['rules']): readonly string[] =>
  pathsIn(text, rules).flatMap(
    ({ index }) => /^[^\s"'`,;:|&<>()[\]]+/.exec(text.slice(index))?.[0] ?? [],
  )

/** Whether a place of the source comes along, or is a directory that is made on the way. */
function broughtBy(manifest: Manifest, part: Part): (absolute: string) => boolean {
  const { roots } = manifest.layout
  const travelling = travelsOf(manifest)
  return (absolute) => {
    const travel = travelling.get(absolute)
    if (travel !== undefined) return [...travel].some((one) => travels(part, one))
    // Of a root that is captured, the inside is known; what OpenClaw makes anew in it is not in the snapshot.
    return (
      Object.entries(roots).some(
        ([root, at]) => root !== 'home' && at === absolute && travelling.has(at),
      ) ||
      manifest.omissions.some(
        ({ root, path, why }) =>
          why === 'regenerable' && isWithin(join(roots[root] ?? '', pathFromBytes(path)), absolute),
      )
    )
  }
}

const known = new WeakMap<
  Manifest['entries'],
  ReadonlyMap<string, Set<Manifest['entries'][number]['travel']>>
>()

/** By absolute path on the source, of entries and of the directories around them up to their root. */
function travelsOf({ entries, layout }: Manifest) {
  const before = known.get(entries)
  if (before !== undefined) return before
  const all = new Map<string, Set<Manifest['entries'][number]['travel']>>()
  for (const { root, path, travel } of entries) {
    const top = layout.roots[root]
    if (top === undefined) continue
    for (let at = join(top, pathFromBytes(path)); ; at = at.slice(0, at.lastIndexOf('/'))) {
      const so = all.get(at)
      if (so?.has(travel)) break
      if (so) so.add(travel)
      else all.set(at, new Set([travel]))
      if (at.length <= top.length) break
    }
  }
  known.set(entries, all)
  return all
}

const join = (top: string, path: string) => (path === '' ? top : `${top}/${path}`)

/** What is told of the reports as a whole; by weight in the order of the plan's other findings. */
export function findingsOf(reports: readonly PlanReport[]): readonly Finding[] {
  return WEIGHTS.flatMap(([why, code, weight]) => {
    const found = reports.filter((one) => one.why === why)
    const [first] = found
    if (first === undefined) return []
    const says = why === 'text-unscanned' ? first.where : first.text
    return [{ code, weight, facts: { count: found.length, first: says } }]
  })
}

const WEIGHTS: readonly (readonly [PlanReport['why'], string, Finding['weight']])[] = [
  ['schema-unknown', 'schema-unknown', 'warning'],
  ['table-unknown', 'tables-unknown', 'warning'],
  ['plugin-missing', 'plugins-missing', 'warning'],
  ['dependencies-left', 'dependencies-left', 'warning'],
  ['field-unknown', 'fields-unknown', 'warning'],
  ['command-missing', 'commands-missing', 'warning'],
  ['path-missing', 'paths-missing', 'warning'],
  ['port-in-use', 'ports-in-use', 'warning'],
  ['localhost-silent', 'localhost-silent', 'warning'],
  ['host', 'host-names', 'warning'],
  ['path-unchecked', 'paths-unchecked', 'notice'],
  ['path-nowhere', 'paths-nowhere', 'notice'],
  ['text-unscanned', 'texts-unscanned', 'notice'],
  ['localhost', 'localhost-urls', 'notice'],
]

/**
 * Findings that depend on what the target was asked, or has come to have since, or on whether its gateway happens to run
 * by itself just then, or on how a quick look at it went. They decide nothing that is written, so an order is not bound to
 * them. A target that has promised a network of its own keeps that by itself: see TrialTree of the agent.
 */
export const ADVICE: ReadonlySet<string> = new Set([
  'gateway-not-managed',
  'trial-not-isolated',
  ...WEIGHTS.map(([, code]) => code).filter((code) => !code.endsWith('-unknown')),
])
