/**
 * What OpenClaw itself says of its fields, where our own table knows nothing of them. To ask takes seconds, so it is asked
 * in the background, once for each OpenClaw, and no backup waits for it. It is asked in an empty directory: nothing of the
 * node is opened by it.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { OcmError } from '@ocm/protocol'
import { meaningOf } from './config-fields.ts'
import { errno } from './errno.ts'
import { run, withOwnNode } from './run.ts'
import { parsed } from './salvage.ts'
import { pointer } from './strings.ts'
import { type Tree, isTree } from './tree.ts'
import type { Binary } from './versions.ts'

const ASK_MS = 60_000
/** After it was found that nobody knows: other work goes first. */
const SOON_MS = 60_000

export interface OwnSchema {
  /**
   * Fields that are places by OpenClaw's own word alone, as `a.*.b`; null while nobody knows yet, and then it is asked for.
   */
  fieldsOf(binary: Binary | undefined): readonly string[] | null
  /** When what is asked for just now is known. */
  settled(): Promise<void>
}

interface Kept {
  readonly key: string
  readonly fields: readonly string[]
}

/** @param agentState the agent's own directory. @param fault told of what goes wrong where nobody waits */
export function ownSchema(
  agentState: string,
  fault: (error: unknown) => void = () => undefined,
  soonMs = SOON_MS,
): OwnSchema {
  const file = path.join(agentState, 'own-schema.json')
  let asking: { readonly key: string; readonly done: Promise<void> } | undefined
  let known: Kept | undefined

  async function ask(binary: Binary, key: string): Promise<void> {
    await new Promise<void>((resolve) => void setTimeout(resolve, soonMs).unref())
    known = { key, fields: pathFieldsIn(await schemaBy(binary)) }
    mkdirSync(agentState, { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, JSON.stringify(known), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }

  return {
    fieldsOf(binary) {
      if (binary === undefined) return null
      const key = keyOf(binary)
      known ??= keptIn(file)
      if (known?.key === key) return known.fields
      // Whatever it answers is kept. One that does not answer is asked again by the next process, not by this one.
      if (asking?.key !== key) asking = { key, done: ask(binary, key).catch(fault) }
      return null
    },
    settled: async () => asking?.done,
  }
}

function keyOf({ path: command, version }: Binary): string {
  const real = realpathSync(command)
  const { mtimeMs, size } = statSync(real)
  return JSON.stringify([real, version, mtimeMs, size])
}

function keptIn(file: string): Kept | undefined {
  try {
    const kept = parsed(readFileSync(file, 'utf8'))
    const isKept = isTree(kept) && typeof kept['key'] === 'string' && Array.isArray(kept['fields'])
    return isKept ? (kept as unknown as Kept) : undefined
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * @returns undefined when it says that it has none, by its exit status.
 * @throws when it does not say: a signal ended it, the time was up, or what it printed is none
 */
async function schemaBy({ path: command }: Binary): Promise<unknown> {
  const home = mkdtempSync(path.join(tmpdir(), 'ocm-schema-'))
  try {
    const env = {
      HOME: home,
      PATH: withOwnNode(process.env['PATH']),
      OPENCLAW_OFFLINE: '1',
      OPENCLAW_NO_AUTO_UPDATE: '1',
    }
    const said = await run(command, ['config', 'schema'], { env, cwd: home, timeoutMs: ASK_MS })
    if (said === undefined) throw new OcmError('openclaw-missing')
    const { status, stdout } = said
    if (status !== null && status !== 0) return undefined
    const schema = status === 0 ? parsed(stdout.slice(stdout.indexOf('{'))) : undefined
    if (!isTree(schema)) throw new Error(`openclaw config schema: no answer (status ${status})`)
    return schema
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const SAYS_PATH =
  /\b(?:file|module|directory|folder|filesystem|socket|workspace-relative|executable|binary) paths?\b|\bpaths? (?:to|of) (?:a|an|the)\b/i
const DEEPEST = 40

/** Of a JSON schema. */
export function pathFieldsIn(schema: unknown): readonly string[] {
  const found = new Set<string>()
  const visit = (node: unknown, keys: readonly string[], words: string, seen: readonly Tree[]) => {
    if (!isTree(node) || keys.length > DEEPEST || seen.includes(node)) return
    const inside = [...seen, node]
    const own = [node['title'], node['description']].filter((one) => typeof one === 'string')
    const says = own.length > 0 ? own.join(' ') : words
    for (const alternative of ['anyOf', 'oneOf', 'allOf']) {
      for (const one of listIn(node[alternative])) visit(one, keys, says, inside)
    }
    if ([node['type']].flat().includes('string') && isPlace(keys, says)) found.add(keys.join('.'))
    for (const [key, one] of Object.entries(isTree(node['properties']) ? node['properties'] : {})) {
      visit(one, [...keys, key], '', inside)
    }
    visit(node['additionalProperties'], [...keys, '*'], says, inside)
    for (const item of [node['items']].flat()) visit(item, [...keys, '0'], says, inside)
    visit(referred(schema, node['$ref']), keys, says, inside)
  }
  visit(schema, [], '', [])
  return [...found].toSorted()
}

/** What the table has a meaning for is looked after already. */
const isPlace = (keys: readonly string[], says: string): boolean =>
  SAYS_PATH.test(says) && ['loose', 'guess'].includes(String(meaningOf(keys)))

const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function referred(schema: unknown, reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined
  return reference
    .slice(2)
    .split('/')
    .reduce<unknown>((node, key) => (isTree(node) ? node[key] : undefined), schema)
}

/** Text that is a place rather than a word or an address. */
const IS_PLACED = /^(?![a-z][a-z0-9+.-]*:)[^\n]*(?:\/|^~|^\.|\.[a-z0-9]{1,5}$)/i

/** The fields of a configuration that hold a place by those patterns. */
export function placesBy(
  fields: readonly string[],
  config: unknown,
): readonly { readonly at: string; readonly text: string }[] {
  if (fields.length === 0) return []
  const known = new Set(fields)
  const found: { at: string; text: string }[] = []
  const visit = (value: unknown, keys: readonly string[], patterns: readonly string[]) => {
    if (typeof value === 'string') {
      if (patterns.some((one) => known.has(one)) && IS_PLACED.test(value)) {
        found.push({ at: pointer(keys), text: value })
      }
    } else if (Array.isArray(value)) {
      for (const [i, one] of value.entries()) {
        visit(
          one,
          [...keys, String(i)],
          patterns.map((pattern) => below(pattern, '0')),
        )
      }
    } else if (isTree(value)) {
      for (const [key, one] of Object.entries(value)) {
        const next = patterns.flatMap((pattern) => [below(pattern, key), below(pattern, '*')])
        visit(
          one,
          [...keys, key],
          next.filter((pattern) => leads(fields, pattern)),
        )
      }
    }
  }
  visit(config, [], [''])
  return found
}

const below = (pattern: string, key: string) => (pattern === '' ? key : `${pattern}.${key}`)
const leads = (fields: readonly string[], pattern: string): boolean =>
  fields.some((field) => field === pattern || field.startsWith(`${pattern}.`))
