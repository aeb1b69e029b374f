/**
 * What a package manager has put beside a plugin. It is not captured, and OpenClaw loads what is there: it never installs
 * again by itself. So an apply carries it over to a tree that has the very same plugin.
 */
import { createHash } from 'node:crypto'
import { type Dirent, lstatSync, readFileSync, readdirSync } from 'node:fs'
import { type TargetFacts, pathFromBytes, pathToBytes } from '@ocm/protocol'
import { errno } from './errno.ts'
import { isTree } from './tree.ts'
import { parsed } from './salvage.ts'

const PLUGINS = 'extensions'
const MODULES = 'node_modules'
/** Says what a package manager is to put there. */
const DECLARATION = 'package.json'
const DECLARED = [
  'name',
  'version',
  'dependencies',
  'optionalDependencies',
  'peerDependencies',
] as const

/** Below the state directory, outermost alone. */
export function dependenciesIn(stateDir: string): readonly string[] {
  const found: string[] = []
  const look = (inside: string) => {
    for (const entry of listed(`${stateDir}/${inside}`)) {
      const name = pathFromBytes(entry.name)
      if (name === MODULES) found.push(`${inside}/${name}`)
      else if (entry.isDirectory()) look(`${inside}/${name}`)
    }
  }
  look(PLUGINS)
  return found.toSorted()
}

/** Those of `live` that `fresh`, another state directory, has the same plugin for and none of its own. */
export const dependenciesFor = (live: string, fresh: string): readonly string[] =>
  dependenciesIn(live).filter((inside) => {
    const [was, is] = [live, fresh].map((top) => above(`${top}/${inside}`)) as [string, string]
    return isDirectory(is) && !isThere(`${fresh}/${inside}`) && declaredIn(was) === declaredIn(is)
  })

/** For a plan, which sees the bytes of a declaration alone. */
export function dependencyFacts(stateDir: string): NonNullable<TargetFacts['remade']> {
  return dependenciesIn(stateDir).map((inside) => {
    const path = `${stateDir}/${inside}`
    const by = `${above(path)}/${DECLARATION}`
    const bytes = readIfThere(by)
    return bytes === undefined
      ? { path, by }
      : { path, by, sha256: new Uint8Array(createHash('sha256').update(bytes).digest()) }
  })
}

const above = (path: string): string => path.slice(0, path.lastIndexOf('/'))
const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))
const isThere = (path: string): boolean =>
  lstatSync(onDisk(path), { throwIfNoEntry: false }) !== undefined
const isDirectory = (path: string): boolean =>
  lstatSync(onDisk(path), { throwIfNoEntry: false })?.isDirectory() === true

function declaredIn(directory: string): string {
  const bytes = readIfThere(`${directory}/${DECLARATION}`)
  if (bytes === undefined) return ''
  const text = bytes.toString('utf8')
  const value = parsed(text)
  return isTree(value) ? JSON.stringify(DECLARED.map((key) => value[key])) : text
}

const NOT_THERE = ['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR']

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(onDisk(file))
  } catch (error) {
    if (NOT_THERE.includes(errno(error) ?? '')) return undefined
    throw error
  }
}

function listed(directory: string): readonly Dirent<Buffer>[] {
  try {
    return readdirSync(onDisk(directory), { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    if (NOT_THERE.includes(errno(error) ?? '')) return []
    throw error
  }
}
