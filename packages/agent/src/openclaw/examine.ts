/** What a capture says of itself: mentions, holdings, inventory and configuration, found anew only where something changed. */
import { setImmediate } from 'node:timers/promises'
import {
  type Blind,
  type IdentityPrint,
  type Mention,
  type Unknowns,
  VERSION,
  absoluteOf,
  pathToBytes,
  placesIn,
  rulesBetween,
} from '@ocm/protocol'
import type { Captured, CapturedFile, Findings } from '../installation.port.ts'
import { CapturedFiles } from './captured-files.ts'
import { findInConfiguration, hexOf, travels } from './configuration-findings.ts'
import { findInDatabase } from './database-findings.ts'
import type { Where } from './discovery.ts'
import { findInFile, findInLink, isForeignDatabase, isText, markFinder } from './file-findings.ts'
import { isTooLarge } from './file-strings.ts'
import { tiesOf } from './graft/ties.ts'
import { holdingsOf } from './holdings.ts'
import { inventoryOf } from './inventory.ts'
import type { AgentListing, StateListing } from './listing.ts'
import { Memory } from './memory.ts'
import { type Told, mentionsIn } from './mention.ts'
import { placesBy } from './own-schema.ts'
import { type Print, type Printed, printsOf, sorted } from './prints.ts'
import { filesNamed } from './provider-keys.ts'
import type { Sight } from './sight.ts'
import type { Walk } from './strings.ts'
import { LIST, type TextKind, type TextListing } from './text-listing.ts'
import { viewsOf } from './views.ts'
import { exists } from './wished.ts'

/** To be raised whenever something else is found in the same content. */
const RULES = 10

/** How long it goes on before other work has its turn. */
const STRETCH_MS = 10

/** @param fields see OwnSchema; null while nobody knows */
export async function examine(
  captured: Captured,
  where: Where,
  fields: readonly string[] | null = [],
): Promise<Findings> {
  const { layout } = captured.survey
  const { roots, hostname, port } = layout
  const memory = new Memory(captured.recall, contextOf(captured, where))
  const rest = rests()
  const walk = { rules: rulesBetween(layout, layout), hostname, port }
  const print = printWith(captured)
  // First, because they come one by one while the others are still being read.
  const inDatabases = await findInDatabases(captured, walk, memory, print)
  const files = new CapturedFiles(captured)
  const mentions: Mention[] = []
  const warnings: Sight['warnings'] = []
  const configuration = findInConfiguration(captured, files, where, walk, memory, print)
  for (const part of configuration.files) mentions.push(...mentionsIn(part, part.told))
  const isOfIt = new Set(configuration.files.map((part) => files.file(part)))

  const hasMark = markFinder(captured.survey.marks)
  const unread: Unread[] = []
  for (const entry of captured.entries()) {
    if (entry.kind === 'file' && (!travels(entry) || isOfIt.has(entry))) continue
    if (entry.kind === 'file' && isTooLarge(entry) && isText(captured, entry, memory))
      unread.push({ file: entry })
    const { told, isUnread = false } =
      entry.kind === 'link'
        ? { told: findInLink(captured, entry, walk) }
        : findInFile(captured, entry, walk, hasMark, memory)
    if (isUnread) unread.push({ file: entry, is: 'encoding' })
    else if (entry.kind === 'file' && isForeignDatabase(captured, entry))
      unread.push({ file: entry, is: 'database' })
    if (told.length > 0) mentions.push(...mentionsIn(entry.place, told))
    const pause = rest()
    if (pause !== undefined) await pause
  }

  const { state, agents } = inDatabases
  mentions.push(...inDatabases.mentions)
  unread.push(...inDatabases.unread)
  warnings.push(...inDatabases.warnings)

  const sight: Sight = {
    layout,
    config: configuration.listing,
    state,
    agents,
    names: (directory) => files.names(directory),
    told: (kind, place) => listed(captured, files.file(place), kind, memory, print),
    warnings,
  }
  const { secretFiles: named } = configuration.listing
  const secretFiles = secretFilesOf(captured, named)
  const known = state !== undefined || configuration.listing.exists
  const inventory = inventoryOf(sight)
  const walked = new Set(captured.survey.trees.map(({ root }) => root))
  for (const [root, absolute] of Object.entries(roots)) {
    if (!root.startsWith('workspace:') || walked.has(root)) continue
    // A persona whose workspace vanished fails every turn, here already.
    warnings.push({ code: 'workspace-missing', detail: absolute })
  }
  return {
    mentions: captured.survey.origin ? mentions : withMissing(mentions, walk.rules),
    holdings: known ? holdingsOf(sight, inventory, credentialFilesIn(captured), secretFiles) : [],
    config: configuration.listing.view,
    inventory: known ? inventory : null,
    views: viewsOf(sight, configuration.files),
    ties: tiesOf(sight, configuration.personas, {
      files: configuration.files,
      places: captured.entries().map(({ place }) => place),
      mentions,
    }),
    ...(captured.fleet === undefined
      ? {}
      : { prints: identityPrints([...printsOf(sight, captured, files), ...inDatabases.devices]) }),
    unknowns: inDatabases.unknowns,
    ...blindIn(fields && placesBy(fields, configuration.listing.view), unread),
    plugins: [...(state?.pluginPlaces ?? [])],
    warnings,
    remember: memory.toBytes(),
  }
}

interface InDatabases {
  readonly mentions: Mention[]
  readonly unread: Unread[]
  readonly warnings: Sight['warnings']
  readonly unknowns: Unknowns[]
  readonly devices: Printed[]
  readonly agents: { readonly persona: string; readonly listing: AgentListing }[]
  state: StateListing | undefined
}

async function findInDatabases(
  captured: Captured,
  walk: Omit<Walk, 'visit'>,
  memory: Memory,
  print: Print,
): Promise<InDatabases> {
  const rest = rests()
  const all: InDatabases = {
    mentions: [],
    unread: [],
    warnings: [],
    unknowns: [],
    devices: [],
    agents: [],
    state: undefined,
  }
  for await (const { name, source, sha256 } of captured.databases) {
    const found = await findInDatabase(captured, source, sha256, walk, memory, rest)
    if (found === undefined) {
      const { place } = source
      all.unread.push({ file: { place, placement: source, size: 0 }, is: 'database' })
      continue
    }
    all.mentions.push(...mentionsIn(source.place, found.told))
    if (found.unknown !== undefined) all.unknowns.push({ name, ...found.unknown })
    if (found.flaw !== '')
      all.warnings.push({ code: 'mentions-missing', detail: `${name}: ${found.flaw}` })
    for (const flaw of (found.state ?? found.agent)?.flaws ?? []) {
      all.warnings.push({ code: 'inventory-partial', detail: `${name}: ${flaw}` })
    }
    if (found.state !== undefined) all.state = found.state
    all.devices.push(...devicesIn(found, print))
    if (found.agent !== undefined)
      all.agents.push({ persona: source.persona ?? '', listing: found.agent })
    await rest()
  }
  return all
}

/** A file that is captured, and not looked through: too large, if nothing else is said. */
interface Unread {
  readonly file: Pick<CapturedFile, 'place' | 'placement' | 'size'>
  readonly is?: 'database' | 'encoding'
}

/** So many of them are told by name. */
const UNREAD_TOLD = 1000

function blindIn(
  fields: readonly Blind['fields'][number][] | null,
  unread: readonly Unread[],
): { blind?: Blind } {
  if (fields?.length === 0 && unread.length === 0) return {}
  const first = unread.slice(0, UNREAD_TOLD).map(({ file: { place, placement, size }, is }) => ({
    root: place.root,
    path: pathToBytes(place.path),
    section: placement.section,
    size,
    ...(is && { is }),
  }))
  const asked = fields === null ? { fields: [], unasked: true as const } : { fields: [...fields] }
  return { blind: { ...asked, texts: unread.length, first } }
}

const printWith =
  ({ fleet }: Captured): Print =>
  (kind, value) =>
    fleet === undefined ? '' : Buffer.from(fleet.print(kind, value)).toString('hex')

/** By the ids that they have of their keys. */
const devicesIn = (
  { told }: { readonly told: readonly Told[] },
  print: Print,
): readonly Printed[] =>
  told
    .filter(({ kind, at }) => kind === 'identity' && at.startsWith('device_identities.device_id'))
    .map(({ text }) => ['device-key', print('device-key', text)])

const identityPrints = (found: readonly Printed[]): readonly IdentityPrint[] =>
  sorted(found).map(([kind, print]) => ({ kind, print: Buffer.from(print, 'hex') }))

/** Looks where the captured node itself lies, and not at what is remembered: places come and go without a change here. */
function withMissing(mentions: readonly Mention[], rules: Walk['rules']): readonly Mention[] {
  const there = new Map<string, boolean>()
  const isThere = (place: string) => {
    const so = there.get(place) ?? exists(place)
    there.set(place, so)
    return so
  }
  return mentions.map((mention) => {
    if (mention.needed !== true || mention.kind !== 'path') return mention
    const places = placesIn(mention.text, rules)
    return places.length > 0 && !places.some(isThere) ? { ...mention, missing: true } : mention
  })
}

/** All that findings depend on beside contents. */
function contextOf(
  { survey: { layout }, fleet }: Captured,
  { home, state, config, env }: Where,
): string {
  const { roots, hostname, port } = layout
  const includes = env['OPENCLAW_INCLUDE_ROOTS'] ?? ''
  return JSON.stringify([
    RULES,
    VERSION,
    roots,
    hostname,
    port,
    home,
    state,
    config,
    includes,
    fleet?.id ?? '',
  ])
}

function rests(): () => Promise<unknown> | undefined {
  let since = performance.now()
  const pause = async () => {
    await setImmediate()
    since = performance.now()
  }
  return () => (performance.now() - since < STRETCH_MS ? undefined : pause())
}

function listed<K extends TextKind>(
  captured: Captured,
  file: ReturnType<CapturedFiles['file']>,
  kind: K,
  memory: Memory,
  print: Print,
): TextListing[K] | undefined {
  if (file === undefined) return undefined
  const name = `${kind} ${hexOf(file)}`
  const kept = memory.recall(name) as { readonly listing: TextListing[K] } | undefined
  if (kept !== undefined && file.sha256 !== undefined) return kept.listing
  const { bytes, isSame } = captured.read(file.place)
  const found = { listing: LIST[kind](new TextDecoder().decode(bytes), print) }
  return isSame && file.sha256 !== undefined ? memory.keep(name, found).listing : found.listing
}

/** How many of the files that secrets are read from are in the snapshot. */
function secretFilesOf(captured: Captured, named: readonly string[]): number {
  if (named.length === 0) return 0
  const { layout } = captured.survey
  const files = captured
    .entries()
    .flatMap(({ place, kind }) => (kind === 'file' ? (absoluteOf(layout, place) ?? []) : []))
  return filesNamed(named, files, layout.roots['home'] ?? '').length
}

const credentialFilesIn = (captured: Captured): number =>
  captured
    .entries()
    .filter(
      ({ placement: { section, class: packClass, travel } }) =>
        section === 'channels' && packClass === 'secret' && travel === 'identity',
    ).length
