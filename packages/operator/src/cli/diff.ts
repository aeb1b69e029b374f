/** `ocm diff`: what differs between two nodes, two snapshots, or one and the other. */
import { type NodeState, OcmError } from '@ocm/protocol'
import { type Comparison, type ConfigChange, countOf } from '../compare/changes.ts'
import { type TextDiff, compareSnapshots, textDiff } from '../compare/contents.ts'
import { type ComparedSide, sideOfNode, sideOfSnapshot } from '../compare/sides.ts'
import { openSnapshot } from '../snapshots/open.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, time } from './format.ts'
import { backUpWith } from './jobs.ts'
import { findNode, snapshotNamed } from './names.ts'
import { sectionNamed } from './sections.ts'
import type { CredentialOptions } from './ssh-secrets.ts'

export interface DiffOptions extends CredentialOptions {
  readonly section?: string
  readonly text?: boolean
  readonly showSecrets?: boolean
  readonly all?: boolean
  readonly fresh?: boolean
}

export async function diff(
  context: Context,
  names: readonly [string, string],
  place: string | undefined,
  options: DiffOptions,
): Promise<void> {
  const { terminal, ports } = context
  const { all, fresh = false, showSecrets = false } = options
  const section = options.section === undefined ? undefined : sectionNamed(options.section)
  const named = [await found(context, names[0]), await found(context, names[1])] as const
  // Said before the passphrase is asked for, unless that is what a new snapshot takes.
  const before = fresh ? undefined : await sidesOf(context, named)
  await withVault(context, async (unlocked) => {
    if (fresh) await backUpAnew(context, unlocked, named, options)
    const sides = before ?? (await sidesOf(context, named))
    const a = await openSnapshot(ports, unlocked, sides[0].snapshot)
    const b = await openSnapshot(ports, unlocked, sides[1].snapshot)
    const compared = await compareSnapshots(a, b, {
      ...(section === undefined ? {} : { section }),
      ...(place === undefined ? {} : { place }),
      ...(all === undefined ? {} : { all }),
    })
    const texts: TextDiff[] = []
    if (options.text || place !== undefined) {
      for (const { path, entry } of compared.entries) {
        const headings = [`${nameOf(sides[0])} ${path}`, `${nameOf(sides[1])} ${path}`] as const
        if (entry !== 'file') continue
        texts.push(await textDiff([a, b], path, { showSecrets, names: headings }))
      }
    }
    terminal.result(
      { a: a.id, b: b.id, sides, ...compared, texts },
      linesOf(compared, texts, sides),
    )
  })
}

/** Of a node it is its newest snapshot that is compared. */
type Named = { readonly node: NodeState } | { readonly side: ComparedSide }

/** A node by its label or id, else a snapshot by its id. @throws OcmError 'not-found', 'wrong-use' */
async function found({ ports: { api } }: Context, name: string): Promise<Named> {
  const nodes = await api.nodes()
  const node = await orUndefined(() => findNode(nodes, name))
  if (node !== undefined) return { node }
  return { side: sideOfSnapshot(await snapshotNamed(api, name), nodes) }
}

async function backUpAnew(
  context: Context,
  unlocked: Unlocked,
  named: readonly Named[],
  options: CredentialOptions,
): Promise<void> {
  const nodes = new Map(
    named.flatMap((one) => ('node' in one ? [[one.node.id, one.node] as const] : [])),
  )
  for (const node of nodes.values()) await backUpWith(context, unlocked, node, options)
}

async function sidesOf(
  { terminal, ports }: Context,
  [a, b]: readonly [Named, Named],
): Promise<readonly [ComparedSide, ComparedSide]> {
  const nodes = await ports.api.nodes()
  const sideOf = (one: Named) =>
    'side' in one ? one.side : sideOfNode(findNode(nodes, one.node.id))
  const sides = [sideOf(a), sideOf(b)] as const
  for (const side of sides) terminal.say(sideLine(side, ports.now()))
  return sides
}

async function orUndefined<T>(find: () => T): Promise<T | undefined> {
  try {
    return find()
  } catch (error) {
    if (error instanceof OcmError && error.code === 'not-found') return undefined
    throw error
  }
}

const nameOf = ({ label, snapshot }: ComparedSide) =>
  label === '' ? short(snapshot) : `${label}@${short(snapshot)}`

const MINUTE = 60_000

function sideLine(side: ComparedSide, now: number): string {
  const minutes = Math.max(0, Math.round((now - side.takenAt) / MINUTE))
  const age =
    minutes < 60
      ? `${minutes} min`
      : minutes < 48 * 60
        ? `${Math.round(minutes / 60)} h`
        : `${Math.round(minutes / 1440)} days`
  return `${nameOf(side)} of ${time(side.takenAt)}, ${age} old`
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const
const shown = (value: unknown) => JSON.stringify(value)

function configLine(what: string, change: ConfigChange): string {
  const from = 'before' in change ? ` ${shown(change.before)}` : ''
  const to = 'after' in change ? ` ${shown(change.after)}` : ''
  const arrow = change.kind === 'changed' ? ' ->' : ''
  const place = change.path === '' ? what : `${what} ${change.path}`.trim()
  return `${SIGNS[change.kind]} ${place}:${from}${arrow}${to}`
}

const UNKNOWN = {
  inventory: 'What OpenClaw lists is not compared: one of them could not be asked.',
  'cron jobs': 'What cron jobs do is not compared: one snapshot is of an older agent.',
  environment: 'Variables are not compared: one snapshot is of an older agent.',
} as const

function linesOf(
  compared: Comparison,
  texts: readonly TextDiff[],
  sides: readonly [ComparedSide, ComparedSide],
): string {
  const { config, lists, entries, unknown } = compared
  const lines = [
    ...config.map((change) => configLine('config', change)),
    ...lists.flatMap(({ kind, what, name, changes = [] }) => {
      const of = name === '' ? what : `${what} ${name}`
      if (changes.length === 0) return [`${SIGNS[kind]} ${what}: ${name}`]
      return changes.map((change) => configLine(of, change))
    }),
    ...entries.map(({ kind, section, path, bytes: size, what }) => {
      const why = what.length > 0 ? ` (${what.join(', ')})` : ''
      const sizes =
        size.before === size.after
          ? bytes(size.after)
          : `${bytes(size.before)} -> ${bytes(size.after)}`
      return `${SIGNS[kind]} ${section} ${path}${why}, ${sizes}`
    }),
    ...texts.flatMap(({ path, diff: text, why }) =>
      text === null
        ? [`  ${path} is not shown: ${WHY[why ?? 'not text']}`]
        : text === ''
          ? []
          : [text],
    ),
  ]
  const notes = unknown.map((what) => UNKNOWN[what])
  if (lines.length === 0) return ['Nothing differs that matters.', ...notes].join('\n')
  const legend = `- only in ${nameOf(sides[0])}, + only in ${nameOf(sides[1])}`
  return [...lines, ...notes, `${count(countOf(compared), 'difference')} (${legend})`].join('\n')
}

const WHY = {
  secret: 'it holds secrets; --show-secrets shows it',
  'not text': 'it is no text',
  'too large': 'it is too large',
} as const
