/** Which OpenClaw is installed and which schema its data has, read from files: running it takes seconds. */
import { closeSync, existsSync, openSync, readSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { readFromDisk } from './config.ts'
import type { Where } from './discovery.ts'
import { errno } from './errno.ts'
import { liveLock } from './locks.ts'
import { parsed } from './salvage.ts'
import { isTree, textAt, treeAt } from './tree.ts'

export interface Binary {
  /** What to run. */
  readonly path: string
  readonly version: string
  /** The newest schema it reads, by kind of database. */
  readonly schemas: Readonly<Record<string, number>>
}

/** @returns undefined when there is no OpenClaw, or not one whose package can be read. */
export function findBinary(where: Where, named: string | undefined): Binary | undefined {
  const candidates = named === undefined ? likelyPlaces(where) : [path.resolve(named)]
  for (const candidate of candidates) {
    const binary = binaryAt(candidate)
    if (binary !== undefined) return binary
  }
  return undefined
}

/** What runs the gateway goes before what a shell of this process would find. */
function likelyPlaces(where: Where): readonly string[] {
  const directories = directoriesIn(where.env['PATH']).concat(usualPlaces(where))
  return [
    ...programOf(runningCommand(where)),
    ...unitCommands(where).flatMap(programOf),
    ...directories.map((directory) => path.join(directory, 'openclaw')),
  ]
}

const usualPlaces = ({ home }: Where): readonly string[] => [
  path.join(home, '.local/bin'),
  path.join(home, '.npm-global/bin'),
  path.join(home, '.openclaw/bin'),
  '/usr/local/bin',
  '/opt/homebrew/bin',
  '/usr/bin',
]

const directoriesIn = (list: string | undefined): readonly string[] =>
  (list ?? '').split(path.delimiter).filter((entry) => path.isAbsolute(entry))

/** Where a gateway of this installation finds programs by name: on the path of its unit, and on that of this process. */
export function programPlaces(where: Where): readonly string[] {
  const pinned = unitTexts(where).flatMap((text) =>
    directoriesIn(/^Environment="?PATH=([^"\n]*)/m.exec(text)?.[1]),
  )
  return [...pinned, ...directoriesIn(where.env['PATH']), ...usualPlaces(where), '/bin']
}

function runningCommand(where: Where): readonly string[] {
  const pid = liveLock(where.state)?.pid
  return (pid === undefined ? undefined : textOf(`/proc/${pid}/cmdline`))?.split('\0') ?? []
}

export function unitTexts(where: Where): readonly string[] {
  const suffix = where.profile === '' ? '' : `-${where.profile}`
  return ['.config/systemd/user', '.local/share/systemd/user'].flatMap(
    (directory) =>
      textOf(path.join(where.home, directory, `openclaw-gateway${suffix}.service`)) ?? [],
  )
}

function unitCommands(where: Where): readonly (readonly string[])[] {
  return unitTexts(where).flatMap((unit) => {
    const line = /^ExecStart=(.*)$/m.exec(unit)?.[1]
    return line === undefined
      ? []
      : [line.split(/\s+/).map((word) => word.replace(/^"(.*)"$/, '$1'))]
  })
}

/** The command of the package that a script among the words of a command line is of. */
function programOf(words: readonly string[]): readonly string[] {
  const script = words.find((word) => /\/openclaw\/.*\.m?js$/.test(word))
  const root = script?.slice(0, script.lastIndexOf('/openclaw/') + '/openclaw'.length)
  return root === undefined ? [] : [path.join(root, 'openclaw.mjs')]
}

/** Up from where the command really lies to the package it is part of. */
function binaryAt(command: string): Binary | undefined {
  if (!existsSync(command)) return undefined
  for (let here = path.dirname(realpathSync(command)); ; here = path.dirname(here)) {
    const found = parsed(textOf(path.join(here, 'package.json')) ?? '')
    if (textAt(found, 'name') === 'openclaw') {
      return {
        path: command,
        version: textAt(found, 'version') ?? '',
        schemas: numbersOf(treeAt(found, 'openclaw.schemaVersions')),
      }
    }
    if (here === path.dirname(here)) return undefined
  }
}

function textOf(file: string): string | undefined {
  const bytes = readFromDisk(file)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

const numbersOf = (tree: unknown): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(isTree(tree) ? tree : {}).filter(
      (entry): entry is [string, number] => Number.isSafeInteger(entry[1]) && Number(entry[1]) >= 0,
    ),
  )

const MAGIC = 'SQLite format 3\0'

/** Whether a file is a SQLite database with at least one page. False for what cannot be read. */
export function isDatabase(absolute: string | Buffer): boolean {
  let fd: number
  try {
    fd = openSync(absolute, 'r')
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENXIO'].includes(errno(error) ?? '')) return false
    throw error
  }
  try {
    const start = Buffer.alloc(MAGIC.length)
    return (
      readSync(fd, start, 0, start.length, 0) === start.length && start.toString('latin1') === MAGIC
    )
  } finally {
    closeSync(fd)
  }
}
