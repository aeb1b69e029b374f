/** Two nodes below one directory, small enough to need no OpenClaw: where they are and what they hold. */
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Layout } from '@ocm/protocol'

/** Where one node of the rig is. */
export interface Place {
  readonly home: string
  /** The agent's own. */
  readonly agent: string
  readonly port: number
  readonly manager: string
}

export const rootsOf = ({ home }: Pick<Place, 'home'>): Layout['roots'] => ({
  home,
  state: `${home}/app`,
  'workspace:main': `${home}/work`,
  'extra:secrets': `${home}/secret/extra.json`,
})

export const layoutOf = (place: Pick<Place, 'home' | 'port'>): Layout => ({
  platform: 'linux',
  hostname: 'rig',
  user: 'rig',
  uid: 0,
  roots: rootsOf(place),
  port: place.port,
  versions: { openclaw: '1.2.3', schemas: {}, node: '', agent: '' },
})

/** By `root:path`; a string is a file, `@` a link to what follows, null a directory. */
export type Tree = Readonly<Record<string, string | Uint8Array | null>>

export const MODIFIED = 1_750_000_000_000

/** What a node of that home has in its files: a configuration that names itself, a database that does too, the rest. */
export function treeOf(
  place: Pick<Place, 'home' | 'port'>,
  version: string,
  more: Tree = {},
): Tree {
  const config = {
    home: place.home,
    work: `${place.home}/work`,
    port: place.port,
    personas: ['main'],
    cron: [`job-${version}`],
    healthy: true,
  }
  return {
    'state:': null,
    'state:config.json': JSON.stringify(config),
    'state:data.sqlite': databaseOf(`${place.home}/work/report-${version}.md`),
    'state:agents': null,
    'state:agents/main.json': `{"version":"${version}"}`,
    'state:empty': null,
    'workspace:main:': null,
    'workspace:main:notes.md': `notes of ${version} at ${place.home}/work`,
    'workspace:main:tools': null,
    'workspace:main:tools/run.sh': '#!/bin/sh\necho run\n',
    'workspace:main:link': '@tools/run.sh',
    [`workspace:main:only-${version}.txt`]: version,
    'extra:secrets:': `{"key":"secret-${version}"}`,
    ...more,
  }
}

function databaseOf(text: string): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'ocm-rig-'))
  const file = path.join(folder, 'data.sqlite')
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE paths (id INTEGER PRIMARY KEY, path TEXT)')
  database.prepare('INSERT INTO paths VALUES (1, ?)').run(text)
  database.close()
  const bytes = new Uint8Array(readFileSync(file))
  rmSync(folder, { recursive: true })
  return bytes
}

export const split = (key: string): readonly [root: string, path: string] => {
  const at = key.lastIndexOf(':')
  return [key.slice(0, at), key.slice(at + 1)]
}

export const modeOf = (key: string) =>
  key.endsWith('.sh') ? 0o755 : key.endsWith('.md') ? 0o644 : 0o600

/** Lays a tree down as the live state of a node. */
export function layDown(place: Pick<Place, 'home' | 'port'>, tree: Tree): void {
  const roots = rootsOf(place)
  for (const [key, content] of Object.entries(tree)) {
    const [rootId, inside] = split(key)
    const file = path.join(roots[rootId] as string, inside)
    mkdirSync(content === null ? file : path.dirname(file), { recursive: true, mode: 0o755 })
    if (content === null) continue
    if (typeof content === 'string' && content.startsWith('@')) symlinkSync(content.slice(1), file)
    else writeFileSync(file, content, { mode: modeOf(key) })
    if (!lstatSync(file).isSymbolicLink()) utimesSync(file, MODIFIED / 1000, MODIFIED / 1000)
  }
}

/** One line for everything live on a node: kind, permissions, time, content. Two equal digests are one tree. */
export function digestOf(home: string): readonly string[] {
  const lines: string[] = []
  const walk = (at: string) => {
    for (const name of readdirSync(at).toSorted()) {
      const file = path.join(at, name)
      const stat = lstatSync(file)
      const inside = path.relative(home, file)
      const mode = (stat.mode & 0o7777).toString(8)
      if (stat.isDirectory()) {
        lines.push(`${inside}/ ${mode}`)
        walk(file)
      } else if (stat.isSymbolicLink()) {
        lines.push(`${inside} -> ${readlinkSync(file)}`)
      } else {
        const sha = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16)
        lines.push(`${inside} ${mode} ${stat.mtimeMs} ${sha}`)
      }
    }
  }
  if (existsSync(home)) walk(home)
  return lines
}
