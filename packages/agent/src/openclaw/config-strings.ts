/** The strings of a configuration and of the files it includes, each with its place in the whole. */
import path from 'node:path'
import JSON5 from 'json5'
import { isAddress, meaningOf, portAt } from './config-fields.ts'
import { type Place, type Walk, mapStrings, pointer, visitText } from './strings.ts'

export interface ConfigFile {
  /** By the layout that it was written under. */
  readonly absolute: string
  /** Where its value stands in the whole configuration. */
  readonly prefix: readonly string[]
  readonly text: string
}

const MAX_DEPTH = 10
const MAX_FILES = 64

/**
 * The configuration and what it includes, in the order of reading; a file that is not there or does not parse includes
 * nothing. @param read answers undefined for a file that there is none of.
 */
export function configFilesFrom(
  absolute: string,
  read: (absolute: string) => string | undefined,
): readonly ConfigFile[] {
  const files: ConfigFile[] = []
  const add = (file: string, prefix: readonly string[], depth: number) => {
    if (depth > MAX_DEPTH || files.length >= MAX_FILES) return
    if (files.some((known) => known.absolute === file)) return
    const text = read(file)
    if (text === undefined) return
    files.push({ absolute: file, prefix, text })
    for (const { target, keys } of includesIn(parsed(text))) {
      add(path.resolve(path.dirname(file), target), [...prefix, ...keys], depth + 1)
    }
  }
  add(absolute, [], 0)
  return files
}

function parsed(text: string): unknown {
  try {
    return JSON5.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function* includesIn(
  value: unknown,
  keys: readonly string[] = [],
): Generator<{ readonly target: string; readonly keys: readonly string[] }> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (key !== '$include') yield* includesIn(inner, [...keys, key])
    else for (const target of [inner].flat()) if (typeof target === 'string') yield { target, keys }
  }
}

/** @returns the value itself when nothing in it changed. */
export function visitConfig(walk: Walk, prefix: readonly string[], value: unknown): unknown {
  const whole = (keys: readonly string[]) => [...prefix, ...keys]
  const paths = mapStrings(value, {
    text: (text, keys) => visitText(walk, placeOf(whole(keys)), meaningOf(whole(keys)), text),
    key: (key, keys) => visitText(walk, placeOf(whole(keys)), 'paths', key),
  })
  return mapStrings(paths, {
    text: (text, keys) => visitAddress(walk, placeOf(whole(keys)), whole(keys), text),
  })
}

const placeOf = (keys: readonly string[]): Place => ({
  at: pointer(keys),
  section: sectionOf(keys),
})

/** A file that is not JSON5: its lines, so that at least its paths are right when someone repairs it. */
export const visitBrokenConfig = (walk: Walk, text: string): string =>
  text
    .split('\n')
    .map((line, i) => visitText(walk, { at: `line ${i + 1}`, section: 'gateway' }, 'loose', line))
    .join('\n')

/** Which part of a node a field of the configuration is about, by its first key. */
const SECTIONS: Readonly<Record<string, Place['section']>> = {
  agents: 'personas',
  bindings: 'personas',
  session: 'history',
  memory: 'history',
  auth: 'credentials',
  secrets: 'credentials',
  models: 'credentials',
  cron: 'cron',
  env: 'environment',
  browser: 'environment',
  skills: 'skills',
  plugins: 'plugins',
  hooks: 'plugins',
  mcp: 'plugins',
  channels: 'channels',
}
const sectionOf = ([first = '']: readonly string[]): Place['section'] =>
  SECTIONS[first] ?? 'gateway'

const URL_HOST = /^(?:[a-z][a-z0-9+.-]*:\/\/)(?:[^/@\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s]+)(?::(\d+))?/i
const IS_LOCAL = /^(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\])$/i
const IS_PRIVATE = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.)/

/**
 * Addresses of this machine: those that end in the gateway's port follow it, the others are only told, and so is what
 * others know this machine by.
 */
function visitAddress(walk: Walk, place: Place, keys: readonly string[], text: string): string {
  const kind = kindOfAddress(walk, keys, text)
  if (kind === undefined) return text
  return walk.visit({
    ...place,
    kind,
    class: 'structured',
    text,
    under: '',
    secret: false,
    exact: false,
  })
}

function kindOfAddress(
  walk: Walk,
  keys: readonly string[],
  text: string,
): 'host' | 'port' | undefined {
  const [, host = '', port] = URL_HOST.exec(text) ?? []
  const here = IS_LOCAL.test(host) || host.toLowerCase() === walk.hostname.toLowerCase()
  const origin = keys.includes('allowedOrigins')
  if (host !== '' && Number(port) === walk.port && (here || origin)) return 'port'
  if (isAddress(keys, text)) return 'host'
  return host !== '' && (here || (!origin && IS_PRIVATE.test(host))) ? 'host' : undefined
}

/** An address of this machine that a variable holds, if there is nothing beside it that must not be read. */
export const visitLocalUrl = (walk: Walk, place: Place, text: string): string =>
  /[@?#\s]/.test(text) ? text : visitAddress(walk, { ...place, secret: false }, [], text)

/** Ports of this machine that stand as numbers. They are told, and stay what they are. */
export function portsIn(
  value: unknown,
  prefix: readonly string[],
): readonly { readonly at: string; readonly text: string; readonly listens: boolean }[] {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535) {
    const port = portAt(prefix)
    return port === undefined
      ? []
      : [{ at: pointer(prefix), text: String(value), listens: port === 'listens' }]
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => portsIn(inner, [...prefix, key]))
}
