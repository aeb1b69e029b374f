/**
 * The configuration as one tree: includes resolved, `${VAR}` left as it stands. A configuration that OpenClaw itself
 * would refuse is read as far as it goes, because a backup is wanted exactly then.
 */
import { readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { isWithin } from '@ocm/protocol'
import { type Env, type Where, onThisDisk, resolveUserPath } from './discovery.ts'
import { errno } from './errno.ts'
import { parsed, salvage } from './salvage.ts'
import { type Tree, isTree, merge } from './tree.ts'

export interface Config {
  readonly tree: Tree
  /** Absolute paths of the files it consists of, the configuration itself first. */
  readonly files: readonly string[]
  /** Why the tree is not the whole truth, for people; empty when it is. */
  readonly problems: readonly string[]
}

/** The bytes of a file; undefined when there is none. */
export type ReadFile = (absolute: string) => Uint8Array | undefined

const MAX_DEPTH = 10
const MAX_INCLUDE_BYTES = 2 * 1024 * 1024
/** Newest first: what to lean on where the configuration itself cannot be read. */
const EARLIER = ['.last-good', '.bak', '.bak.1', '.bak.2', '.bak.3', '.bak.4']

export function readConfig(where: Where, read: ReadFile = readFromDisk): Config {
  const reader = new IncludeReader(where, read)
  const bytes = read(where.config)
  if (bytes === undefined) {
    return { tree: earlierTree(where, read), files: [], problems: ['There is no configuration.'] }
  }
  const text = decode(bytes)
  const value = parsed(text)
  if (!isTree(value)) {
    const tree = merge(earlierTree(where, read), reader.resolve(salvage(text), where.config, 0))
    const problems = ['The configuration is not JSON5.', ...reader.problems]
    return { tree: tree as Tree, files: [where.config, ...reader.files], problems }
  }
  const tree = reader.resolve(value, where.config, 0)
  return {
    tree: isTree(tree) ? tree : {},
    files: [where.config, ...reader.files],
    problems: reader.problems,
  }
}

class IncludeReader {
  readonly files: string[] = []
  readonly problems: string[] = []
  readonly #where: Where
  readonly #allowed: readonly string[]
  readonly #read: ReadFile
  readonly #open = new Set<string>()

  constructor(where: Where, read: ReadFile) {
    this.#where = where
    this.#allowed = [path.dirname(where.config), ...includeRoots(where.env, where.home)]
    this.#read = read
    this.#open.add(where.config)
  }

  resolve(value: unknown, file: string, depth: number): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolve(item, file, depth))
    if (!isTree(value)) return value
    const own: Record<string, unknown> = {}
    for (const [key, inner] of Object.entries(value)) {
      if (key !== '$include') own[key] = this.resolve(inner, file, depth)
    }
    if (!Object.hasOwn(value, '$include')) return own
    const targets = [value['$include']].flat()
    const included = targets.reduce<unknown>(
      (sum, target) => merge(sum, this.#include(target, file, depth)),
      {},
    )
    return Object.keys(own).length === 0 ? included : merge(included, own)
  }

  #include(target: unknown, from: string, depth: number): unknown {
    if (typeof target !== 'string' || target.includes('\0')) return this.#refuse('is not a path')
    const file = onThisDisk(this.#where, path.resolve(path.dirname(from), target))
    if (depth >= MAX_DEPTH) return this.#refuse(`${file} lies more than ${MAX_DEPTH} deep`)
    if (this.#open.has(file)) return this.#refuse(`${file} includes itself`)
    if (!this.#isAllowed(file)) {
      return this.#refuse(`${file} lies outside the directory of the configuration`)
    }
    const bytes = this.#read(file)
    if (bytes === undefined) return this.#refuse(`${file} is missing`)
    if (!this.files.includes(file)) this.files.push(file)
    if (bytes.length > MAX_INCLUDE_BYTES) return this.#refuse(`${file} is too large`)
    const text = decode(bytes)
    let value = parsed(text)
    if (value === undefined) {
      this.#refuse(`${file} is not JSON5`)
      value = salvage(text)
    }
    this.#open.add(file)
    const resolved = this.resolve(value, file, depth + 1)
    this.#open.delete(file)
    return resolved
  }

  /** By its name and, links followed, by where it really lies. */
  #isAllowed(file: string): boolean {
    const real = realOf(file)
    return (
      this.#allowed.some((root) => isWithin(root, file)) &&
      this.#allowed.some((root) => isWithin(realOf(root), real))
    )
  }

  #refuse(why: string): Tree {
    this.problems.push(`Include: ${why}.`)
    return {}
  }
}

function includeRoots(env: Env, home: string): readonly string[] {
  const roots = (env['OPENCLAW_INCLUDE_ROOTS'] ?? '').split(path.delimiter)
  return roots.filter((root) => root.trim() !== '').map((root) => resolveUserPath(root, home))
}

function earlierTree(where: Where, read: ReadFile): Tree {
  for (const suffix of EARLIER) {
    const bytes = read(`${where.config}${suffix}`)
    const value = bytes === undefined ? undefined : parsed(decode(bytes))
    if (isTree(value)) return value
  }
  return {}
}

/** A byte-order mark and bytes that are not UTF-8 are survived: this reads, it never writes back. */
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function realOf(absolute: string): string {
  try {
    return realpathSync(absolute)
  } catch (error) {
    // What lies in another account's home, or on another machine, is what its name says.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errno(error) ?? '')) return absolute
    throw error
  }
}

export function readFromDisk(absolute: string): Uint8Array | undefined {
  try {
    return readFileSync(absolute)
  } catch (error) {
    const code = errno(error)
    // A process that is gone, in /proc.
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'ESRCH'].includes(code ?? '')) return
    throw error
  }
}
