/** Every place of a capture where a path, host or port stands. Read from the consistent copies, never from the live state. */
import {
  type Mention,
  type PlacedPath,
  absoluteOf,
  pathToBytes,
  pathsIn,
  rulesBetween,
} from '@ocm/protocol'
import type { Captured } from '../installation.port.ts'
import { visitDatabase } from './database-strings.ts'
import { hasTable, openImmutable } from './databases.ts'
import { type SourceFile, configurationOf, visitFiles } from './file-strings.ts'
import { visitLink } from './link-strings.ts'
import { roleOf } from './rows.ts'
import { parsed } from './salvage.ts'
import type { Spot, Walk } from './strings.ts'
import { at } from './tree.ts'

/** Of the words of one file that name paths, as many are shown; the rest are counted in one mention without text. */
const MAX_PROSE = 20
const MAX_TEXT = 400

export async function collectMentions(captured: Captured): Promise<readonly Mention[]> {
  const { layout } = captured.survey
  const rules = rulesBetween(layout, layout)
  const mentions: Mention[] = []
  const walkOf = (place: PlacedPath): Walk & { end(): void } => {
    let prose = 0
    return {
      rules,
      hostname: layout.hostname,
      port: layout.port,
      visit(spot) {
        if (spot.class === 'prose') prose += 1
        if (spot.class !== 'prose' || prose <= MAX_PROSE)
          mentions.push(mentionOf(place, spot, rules))
        return spot.text
      },
      end() {
        const more = prose - MAX_PROSE
        if (more > 0) mentions.push(mentionOf(place, moreProse(more), rules))
      },
    }
  }

  const files = filesOf(captured)
  const walks = new Map(files.map((file) => [file, walkOf(file.place)]))
  visitFiles(files, (file) => walks.get(file) as Walk)
  for (const walk of walks.values()) walk.end()
  mentions.push(...identityMentions(files, layout.port))

  for (const { place, kind, placement, target } of captured.entries) {
    const link = absoluteOf(layout, place)
    if (kind !== 'link' || target === undefined || link === undefined) continue
    visitLink(walkOf(place), { at: 'link target', section: placement.section }, link, target)
  }

  for (const { source } of captured.databases.values()) {
    const { place } = source
    const copy = await captured.openDatabase(place)
    const role = roleOf(place)
    if (copy === undefined || role === undefined) continue
    const database = openImmutable(copy)
    try {
      const walk = walkOf(place)
      visitDatabase(database, role, walk)
      walk.end()
      if (role === 'state') mentions.push(...deviceMentions(place, database))
    } finally {
      database.close()
    }
  }
  return mentions
}

function filesOf({ survey, entries, read }: Captured): readonly SourceFile[] {
  return entries.flatMap(({ place, kind, placement, size }) => {
    const absolute = absoluteOf(survey.layout, place)
    // What stays on this machine is not rewritten.
    const stays = placement.travel === 'host' || placement.travel === 'never'
    if (kind !== 'file' || absolute === undefined || stays) return []
    const file: SourceFile = {
      place,
      absolute,
      section: placement.section,
      size,
      read: () => read(place),
      write: () => undefined,
    }
    return [file]
  })
}

function mentionOf(place: PlacedPath, spot: Spot, rules: Walk['rules']): Mention {
  const { at: where, section, kind, class: is, under } = spot
  const text = spot.secret
    ? pathsOnly(spot, rules)
    : spot.class === 'prose'
      ? excerpt(spot, rules)
      : spot.text
  const path = pathToBytes(place.path)
  return { root: place.root, path, at: where, section, kind, class: is, text, under }
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

const moreProse = (count: number): Spot => ({
  at: `and ${count} more`,
  section: 'workspaces',
  kind: 'path',
  class: 'prose',
  text: '',
  under: '',
  secret: false,
  exact: false,
})

/** Fields of the configuration that say who this node is, without their values, and the port that is no string. */
function identityMentions(files: readonly SourceFile[], port: number): readonly Mention[] {
  return configurationOf(files).flatMap(({ file, prefix, text }) => {
    const within = (path: string) => {
      const keys = path.split('.')
      return prefix.every((key, i) => keys[i] === key) && keys.length > prefix.length
        ? at(parsed(text), keys.slice(prefix.length).join('.'))
        : undefined
    }
    const mention = (path: string, kind: Mention['kind'], shown: string): Mention => ({
      root: file.place.root,
      path: pathToBytes(file.place.path),
      at: `/${path.replaceAll('.', '/')}`,
      section: 'gateway',
      kind,
      class: 'structured',
      text: shown,
      under: '',
    })
    return [
      ...(within('gateway.port') === port ? [mention('gateway.port', 'port', String(port))] : []),
      ...['gateway.auth.token', 'gateway.auth.password', 'hooks.token']
        .filter((path) => within(path) !== undefined)
        .map((path) => mention(path, 'identity', '')),
    ]
  })
}

function deviceMentions(
  { root, path }: PlacedPath,
  database: ReturnType<typeof openImmutable>,
): readonly Mention[] {
  if (!hasTable(database, 'device_identities')) return []
  const rows = database.prepare('SELECT identity_key, device_id FROM device_identities').all()
  return rows.map((row) => ({
    root,
    path: pathToBytes(path),
    at: `device_identities.device_id ${String(row['identity_key'])}`,
    section: 'gateway',
    kind: 'identity',
    class: 'structured',
    text: String(row['device_id']),
    under: '',
  }))
}
