/** What is found in the configuration, which is one thing in several files: remembered as long as all of them are the same. */
import type { Mention } from '@ocm/protocol'
import type { Captured, CapturedFile } from '../installation.port.ts'
import type { CapturedFiles } from './captured-files.ts'
import { readConfig } from './config.ts'
import { type ConfigListing, listConfig } from './config-listing.ts'
import { portsIn, visitBrokenConfig, visitConfig } from './config-strings.ts'
import type { Where } from './discovery.ts'
import {
  type ConfigurationPart,
  type SourceFile,
  configurationFrom,
  isConfig,
} from './file-strings.ts'
import { asRecalled, type Memory } from './memory.ts'
import { type Told, tellingWalk } from './mention.ts'
import { type Persona, personasOf } from './personas.ts'
import { parsed } from './salvage.ts'
import type { Print } from './prints.ts'
import type { Walk } from './strings.ts'
import { at, isTree } from './tree.ts'
import { unnamedIn } from './unnamed-workspaces.ts'
import { variablesOf } from './variables.ts'

export interface ConfigurationFindings {
  readonly listing: ConfigListing
  readonly personas: readonly Persona[]
  /** The files it consists of, which are looked at as nothing else. */
  readonly files: readonly { readonly root: string; readonly path: string; readonly told: Told[] }[]
}

interface Kept extends ConfigurationFindings {
  /** All that was looked for, with the hash of what was there; '' for nothing. */
  readonly reads: readonly (readonly [root: string, path: string, sha256: string])[]
}

const NAME = 'configuration'

export function findInConfiguration(
  captured: Captured,
  files: CapturedFiles,
  where: Where,
  walk: Omit<Walk, 'visit'>,
  memory: Memory,
  print: Print,
): ConfigurationFindings {
  const hashAt = (root: string, path: string) => hexOf(files.file({ root, path }))
  const kept = memory.recall(NAME) as Kept | undefined
  if (kept?.reads.every(([root, path, hash]) => hashAt(root, path) === hash) === true) return kept

  const reads = new Map<string, Kept['reads'][number]>()
  let isSame = true
  const look = (root: string, path: string) => {
    reads.set(`${root}:${path}`, [root, path, hashAt(root, path)])
    return files.file({ root, path })
  }
  const read = ({ place }: CapturedFile) => {
    const { bytes, isSame: same } = captured.read(place)
    isSame &&= same
    return bytes
  }
  const find = (absolute: string) => {
    const place = files.placeOf(absolute)
    return place === undefined ? undefined : look(place.root, place.path)
  }
  const source = (file: CapturedFile): SourceFile => ({
    place: file.place,
    absolute: files.absoluteOf(file),
    section: file.placement.section,
    size: file.size,
    read: () => read(file),
    write: () => undefined,
  })

  const readAt = (absolute: string) => {
    const file = find(absolute)
    return file === undefined ? undefined : read(file)
  }
  const config = readConfig(where, readAt)
  const starts = files.roots.flatMap((root) =>
    ['openclaw.json', 'clawdbot.json', '']
      .filter((path) => isConfig({ place: { root, path } }))
      .flatMap((path) => look(root, path) ?? []),
  )
  const parts = configurationFrom(starts.filter(travels).map(source), (absolute) => {
    const file = find(absolute)
    return file !== undefined && travels(file) ? source(file) : undefined
  })
  const personas = personasOf(where, config.tree, variablesOf(where, config.tree, readAt))
  const main = parts.find(({ prefix, text }) => prefix.length === 0 && isTree(parsed(text)))
  const found = {
    reads: [...reads.values()],
    listing: listConfig(config, print),
    personas,
    files: parts.map((part) => ({
      ...part.file.place,
      told: [...toldIn(part, walk), ...(part === main ? unnamedIn(personas, walk) : [])],
    })),
  }
  return isSame ? memory.keep(NAME, found) : asRecalled(found)
}

/** What stays on this machine is not rewritten. */
export const travels = ({ placement: { travel } }: CapturedFile): boolean =>
  travel !== 'host' && travel !== 'never'

export const hexOf = (file: Pick<CapturedFile, 'sha256'> | undefined): string =>
  file?.sha256 === undefined ? '' : Buffer.from(file.sha256).toString('hex')

function toldIn(part: ConfigurationPart, of: Omit<Walk, 'visit'>): Told[] {
  const walk = tellingWalk(of)
  const value = parsed(part.text)
  if (value === undefined) visitBrokenConfig(walk, part.text)
  else visitConfig(walk, part.prefix, value)
  return [...walk.told(), ...identitiesIn(part, value, of.port)]
}

/** Fields that say who this node is, without their values, and the port that is no string. */
function identitiesIn({ prefix }: ConfigurationPart, value: unknown, port: number): Told[] {
  const within = (path: string) => {
    const keys = path.split('.')
    return prefix.every((key, i) => keys[i] === key) && keys.length > prefix.length
      ? at(value, keys.slice(prefix.length).join('.'))
      : undefined
  }
  return [
    ...(within('gateway.port') === port ? [identity('gateway.port', 'port', String(port))] : []),
    ...['gateway.auth.token', 'gateway.auth.password', 'hooks.token']
      .filter((path) => within(path) !== undefined)
      .map((path) => identity(path, 'identity', '')),
    ...portsIn(value, prefix).map(({ at: where, text, listens }): Told =>
      listens
        ? { ...identity('', 'port', text), at: where }
        : { ...identity('', 'host', `localhost:${text}`), at: where },
    ),
  ]
}

const identity = (path: string, kind: Mention['kind'], text: string): Told => ({
  at: `/${path.replaceAll('.', '/')}`,
  section: 'gateway',
  kind,
  class: 'structured',
  text,
  under: '',
})
