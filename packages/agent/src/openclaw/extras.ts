/** Roots outside the state directory: which of the places that the configuration refers to are taken along, and how they are called. */
import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import path from 'node:path'
import { isWithin } from '@ocm/protocol'
import type { Placement } from '../installation.port.ts'
import type { Where } from './discovery.ts'
import { errno } from './errno.ts'
import type { Reference } from './references.ts'

export interface Extra {
  readonly root: string
  readonly absolute: string
  readonly kind: 'directory' | 'file'
  readonly placement: Placement
  /** The directory of the state directory that it stands in for. */
  readonly like?: string
}

export interface Extras {
  readonly extras: readonly Extra[]
  readonly warnings: readonly { readonly code: string; readonly detail: string }[]
}

/** A directory with more than this is somebody's data, not a part of the installation. */
const MAX_ENTRIES = 50_000
const MAX_BYTES = 2 * 1024 ** 3
/** Belongs to the machine and is there on the target too, or must not be overwritten. */
const SYSTEM = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib64',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var',
  '/System',
  '/Library',
  '/Applications',
]
const PROJECT_MARKS = [
  'package.json',
  'pyproject.toml',
  'requirements.txt',
  'go.mod',
  'Cargo.toml',
  'deno.json',
]

/**
 * @param covered whether a place is captured anyway, e.g. because it lies in the state directory or in a workspace.
 */
export function chooseExtras(
  where: Where,
  references: readonly Reference[],
  covered: (absolute: string) => boolean,
): Extras {
  const warnings: { code: string; detail: string }[] = []
  const chosen = new Map<string, { readonly reference: Reference; readonly kind: Extra['kind'] }>()
  for (const reference of references) {
    if (covered(reference.absolute)) continue
    const place = placeToTake(where, reference)
    if (place === undefined) continue
    const { absolute, field, take } = reference
    if (place === 'forbidden') {
      warnings.push({
        code: 'extra-left-out',
        detail: `${absolute}, which ${field} refers to, belongs to the machine or holds more than the installation.`,
      })
      continue
    }
    if (
      take !== 'whole' &&
      place.kind === 'directory' &&
      exceeds(place.absolute, where.agentState)
    ) {
      warnings.push({
        code: 'extra-too-large',
        detail: `${place.absolute}, which ${field} refers to, is too large and was left out.`,
      })
      continue
    }
    if (covered(place.absolute) || chosen.has(place.absolute)) continue
    chosen.set(place.absolute, { reference, kind: place.kind })
  }
  return { extras: named(outermost(chosen)), warnings }
}

function placeToTake(
  where: Where,
  { absolute, take, field }: Reference,
): Pick<Extra, 'absolute' | 'kind'> | 'forbidden' | undefined {
  const stats = statsOf(absolute)
  // A directory among a program's arguments is what it works on, not what it is made of.
  const takes = stats?.isDirectory() ? take === 'any' || take === 'whole' : stats?.isFile()
  if (!takes) return undefined
  // Programs of the machine are there on another machine too.
  if (take === 'program' && !isWithin(where.home, absolute)) return undefined
  if (isForbidden(where, absolute)) return take === 'program' ? undefined : 'forbidden'
  if (stats?.isDirectory()) return { absolute, kind: 'directory' }
  if (take !== 'program') return { absolute, kind: 'file' }
  if (field.endsWith('.command') && !isScript(absolute)) return undefined
  const project = projectAround(where, absolute)
  return project === undefined
    ? { absolute, kind: 'file' }
    : { absolute: project, kind: 'directory' }
}

function isForbidden(where: Where, absolute: string): boolean {
  if (absolute === '/' || isWithin(absolute, where.home)) return true
  if (isWithin(absolute, where.state) || isWithin(absolute, where.agentState)) return true
  if (isWithin(where.agentState, absolute)) return true
  if (absolute.includes('/node_modules/openclaw/')) return true
  return !isWithin(where.home, absolute) && SYSTEM.some((system) => isWithin(system, absolute))
}

/** The nearest directory around a script that says it is a project; never the home itself. */
function projectAround(where: Where, script: string): string | undefined {
  for (let here = path.dirname(script); here !== path.dirname(here); here = path.dirname(here)) {
    if (isForbidden(where, here)) return undefined
    if (PROJECT_MARKS.some((mark) => statsOf(path.join(here, mark))?.isFile())) return here
  }
  return undefined
}

function isScript(absolute: string): boolean {
  const start = Buffer.alloc(2)
  const fd = openSync(absolute, 'r')
  try {
    readSync(fd, start, 0, 2, 0)
  } finally {
    closeSync(fd)
  }
  return start.toString('latin1') === '#!'
}

function exceeds(directory: string, except: string): boolean {
  let entries = 0
  let bytes = 0
  const open = [directory]
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    for (const entry of entriesOf(here)) {
      const inner = path.join(here, entry.name)
      if (inner === except) continue
      entries += 1
      if (entry.isDirectory()) open.push(inner)
      else if (entry.isFile()) bytes += statsOf(inner)?.size ?? 0
      if (entries > MAX_ENTRIES || bytes > MAX_BYTES) return true
    }
  }
  return false
}

/** Places inside other chosen places come along with them. */
function outermost(
  chosen: ReadonlyMap<string, { readonly reference: Reference; readonly kind: Extra['kind'] }>,
) {
  const places = [...chosen.keys()]
  return [...chosen].filter(
    ([absolute]) => !places.some((other) => other !== absolute && isWithin(other, absolute)),
  )
}

function named(chosen: ReturnType<typeof outermost>): readonly Extra[] {
  const taken = new Set<string>()
  return chosen
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([absolute, { reference, kind }]) => {
      const base = rootName(reference.name)
      let name = base
      for (let n = 2; taken.has(name); n++) name = `${base}-${n}`
      taken.add(name)
      const { section, class: packClass, travel, persona, like } = reference
      return {
        root: `extra:${name}`,
        absolute,
        kind,
        placement: {
          section,
          class: packClass,
          travel,
          ...(persona === undefined ? {} : { persona }),
        },
        ...(like === undefined ? {} : { like }),
      }
    })
}

/** Any text as the second half of a root's id; texts that differ give names that differ. */
export function rootName(text: string): string {
  if (/^[A-Za-z0-9._-]{1,80}$/.test(text)) return text
  let hash = 0xcbf2_9ce4_8422_2325n
  for (const byte of Buffer.from(text)) {
    hash = ((hash ^ BigInt(byte)) * 0x100_0000_01b3n) & 0xffff_ffff_ffff_ffffn
  }
  const readable = text.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60)
  return `${readable}.${hash.toString(16).padStart(16, '0')}`
}

function statsOf(absolute: string): Stats | undefined {
  try {
    return statSync(absolute, { throwIfNoEntry: false })
  } catch (error) {
    if (['ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'].includes(errno(error) ?? ''))
      return undefined
    throw error
  }
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(errno(error) ?? '')) return []
    throw error
  }
}
