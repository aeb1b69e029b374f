/** `ocm diff`: what differs between two snapshots, of one node or of two. */
import { type Entry, OcmError, concat, hex, pathFromBytes } from '@ocm/protocol'
import { type Comparison, compareManifests } from '../compare/compare.ts'
import { unifiedDiff } from '../compare/text.ts'
import { type OpenedSnapshot, openSnapshot } from '../snapshots/open.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short } from './format.ts'
import { snapshotNamed } from './names.ts'
import { sectionNamed } from './sections.ts'

export interface DiffOptions {
  readonly section?: string
  readonly text?: boolean
  readonly showSecrets?: boolean
}

interface TextDiff {
  readonly path: string
  /** Null for what is not shown. */
  readonly diff: string | null
  readonly why?: 'secret' | 'not text' | 'too large'
}

export async function diff(
  context: Context,
  names: readonly [string, string],
  place: string | undefined,
  options: DiffOptions,
): Promise<void> {
  const { terminal, ports } = context
  const section = options.section === undefined ? undefined : sectionNamed(options.section)
  const ids = [
    (await snapshotNamed(ports.api, names[0])).id,
    (await snapshotNamed(ports.api, names[1])).id,
  ] as const
  await withVault(context, async (unlocked) => {
    const a = await openSnapshot(ports, unlocked, ids[0])
    const b = await openSnapshot(ports, unlocked, ids[1])
    const within = {
      ...(section === undefined ? {} : { section }),
      ...(place === undefined ? {} : { place }),
    }
    const compared = compareManifests(a.manifest, b.manifest, within)
    const texts: TextDiff[] = []
    if (options.text || place !== undefined) {
      for (const { path, entry } of compared.entries) {
        if (entry === 'file') texts.push(await textDiff(a, b, path, options.showSecrets ?? false))
      }
    }
    terminal.result({ a: ids[0], b: ids[1], ...compared, texts }, linesOf(compared, texts))
  })
}

/** Larger files are not read for people. */
const TEXT_BYTES = 4 * 1024 * 1024

async function textDiff(
  a: OpenedSnapshot,
  b: OpenedSnapshot,
  path: string,
  showSecrets: boolean,
): Promise<TextDiff> {
  const before = entryAt(a, path)
  const after = entryAt(b, path)
  const isSecret = (before && isSecretIn(a, before)) || (after && isSecretIn(b, after))
  if (isSecret && !showSecrets) return { path, diff: null, why: 'secret' }
  if (Math.max(before?.size ?? 0, after?.size ?? 0) > TEXT_BYTES) {
    return { path, diff: null, why: 'too large' }
  }
  const [old, now] = [await textOf(a, before), await textOf(b, after)]
  if (old === undefined || now === undefined) return { path, diff: null, why: 'not text' }
  const names = [`${short(a.id)} ${path}`, `${short(b.id)} ${path}`] as const
  return { path, diff: unifiedDiff(old, now, names) }
}

const entryAt = ({ manifest }: OpenedSnapshot, path: string): Entry | undefined =>
  manifest.entries.find((entry) => `${entry.root}:${pathFromBytes(entry.path)}` === path)

/** By the class of its packs, and by its section: an empty file has no packs. */
function isSecretIn({ root }: OpenedSnapshot, { section, extents = [] }: Entry): boolean {
  if (section === 'credentials' || section === 'environment') return true
  const secret = new Set(
    root.packs.filter((pack) => pack.class === 'secret').map(({ id }) => hex(id)),
  )
  return extents.some(([id]) => secret.has(hex(id)))
}

/** '' for what is not there; undefined for what is no text. */
async function textOf(snapshot: OpenedSnapshot, entry: Entry | undefined) {
  if (entry === undefined || entry.kind !== 'file') return ''
  const parts: Uint8Array[] = []
  for await (const part of snapshot.read(entry)) parts.push(part)
  const content = concat(...parts)
  if (content.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    // That it is no text is the answer.
    return undefined
  }
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const
const shown = (value: unknown) => JSON.stringify(value)

function linesOf({ config, lists, entries }: Comparison, texts: readonly TextDiff[]): string {
  const lines = [
    ...config.map((change) => {
      const from = 'before' in change ? ` ${shown(change.before)}` : ''
      const to = 'after' in change ? ` ${shown(change.after)}` : ''
      return `${SIGNS[change.kind]} config ${change.path}:${from}${change.kind === 'changed' ? ' ->' : ''}${to}`
    }),
    ...lists.map(({ kind, what, name, fields = [] }) => {
      const which = fields.length > 0 ? ` (${fields.join(', ')})` : ''
      return `${SIGNS[kind]} ${what}: ${name}${which}`
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
  if (lines.length === 0) return 'Nothing differs.'
  const total = config.length + lists.length + entries.length
  return [...lines, count(total, 'difference')].join('\n')
}

const WHY = {
  secret: 'it holds secrets; --show-secrets shows it',
  'not text': 'it is no text',
  'too large': 'it is too large',
} as const
