/** `ocm diff`: what differs between two nodes, two snapshots, or one and the other. */
import { OcmError } from '@ocm/protocol'
import { type Comparison, type ConfigChange, countOf } from '../compare/changes.ts'
import { type TextDiff, compareSnapshots, textDiff } from '../compare/contents.ts'
import { type ComparedSide, sideOfNode, sideOfSnapshot } from '../compare/sides.ts'
import { openSnapshot } from '../snapshots/open.ts'
import { doneOrThrow, followJob } from '../work/follow.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, time } from './format.ts'
import { findNode, snapshotNamed } from './names.ts'
import { sectionNamed } from './sections.ts'
import { tellSteps } from './steps.ts'

export interface DiffOptions {
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
  const sides = [
    await sideNamed(context, names[0], fresh),
    await sideNamed(context, names[1], fresh),
  ] as const
  for (const side of sides) terminal.say(sideLine(side, ports.now()))
  await withVault(context, async (unlocked) => {
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

/** A node by its label or id, else a snapshot by its id. @throws OcmError 'not-found', 'wrong-use' */
async function sideNamed(context: Context, name: string, fresh: boolean): Promise<ComparedSide> {
  const { api } = context.ports
  const nodes = await api.nodes()
  const node = await orUndefined(() => findNode(nodes, name))
  if (node === undefined) return sideOfSnapshot(await snapshotNamed(api, name), nodes)
  if (!fresh) return sideOfNode(node)
  const { id } = await api.startJob({ kind: 'backup', node: node.id })
  doneOrThrow(await followJob(api, id, tellSteps(context.terminal)))
  return sideOfNode(findNode(await api.nodes(), node.id))
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
