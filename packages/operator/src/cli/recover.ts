/** `ocm recover`: a snapshot's files out of a bare store, with the passphrase or the recovery code and nothing else. */
import { resolve } from 'node:path'
import { OcmError, WriteResult, check } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { asDraft } from '../node/draft.ts'
import { runErrand } from '../node/errand.ts'
import { readStore } from '../node/store.ts'
import {
  type Choice,
  type StoredSnapshot,
  type StoredSnapshots,
  chooseSnapshot,
  listStore,
  openStore,
} from '../out/store.ts'
import { bytes, count, short, table, time } from './format.ts'
import { askPassphrase, secretFromFile } from './secrets.ts'
import { sectionsNamed } from './sections.ts'
import { findingText } from './show-plan.ts'
import type { Terminal } from './terminal.ts'

export interface RecoverOptions extends Choice {
  readonly to?: string
  readonly list?: boolean
  readonly section?: readonly string[]
  readonly partial?: boolean
  readonly home?: string
  readonly recovery?: boolean
}

const p = nodePrimitives

export async function recover(
  terminal: Terminal,
  store: string,
  options: RecoverOptions,
): Promise<void> {
  const sections = sectionsNamed(options.section)
  const home = homeOf(options.home)
  const { root, files } = await readStore(resolve(store))
  const opened = await openStore(p, files, await secretOf(terminal, options))
  try {
    if (opened.record === undefined) {
      terminal.say('The vault record is missing or damaged, so no node can be told from another.')
    }
    const found = listStore(p, opened, files)
    if (options.list === true || options.to === undefined) {
      terminal.result(listed(found), listText(found))
      if (options.list !== true) {
        terminal.say('Nothing was written: --to DIR says where to.')
      }
      return
    }
    const chosen = chooseSnapshot(found.snapshots, options)
    sayStanding(terminal, chosen)
    if (found.damaged.length > 0) {
      terminal.say(`${damagedText(found)}. Any of them may have been a newer one.`)
    }
    const to = resolve(options.to)
    const epoch = chosen.header.epoch
    const result = check(
      WriteResult,
      await asDraft(to, 'directory', (draft) =>
        runErrand({
          kind: 'write',
          source: {
            header: chosen.statement,
            signer: chosen.signer,
            keys: [{ epoch, sealing: opened.epochs.of(epoch).secret }],
            store: root,
          },
          to: draft,
          home,
          sections,
          partial: options.partial ?? false,
        }),
      ),
      'answer of the agent program',
    )
    terminal.result(
      { snapshot: chosen.id, node: chosen.header.node, to, ...result },
      resultText(chosen, to, home, result),
    )
    for (const finding of result.findings) terminal.say(findingText(finding))
    if (result.lost.length > 0) {
      terminal.say(`${count(result.lost.length, 'thing')} could not be read:`)
      for (const { place, code } of result.lost) terminal.say(`  ${place} (${code})`)
    }
  } finally {
    opened.epochs.forget()
    for (const key of [opened.vault.root, opened.vault.sealing]) key.secret.fill(0)
  }
}

function homeOf(given: string | undefined): string | null {
  if (given === undefined) return null
  if (!given.startsWith('/') || given === '/') {
    throw new OcmError('wrong-use', { what: '--home takes an absolute path' })
  }
  return resolve(given)
}

async function secretOf(terminal: Terminal, { recovery }: RecoverOptions) {
  if (recovery !== true) return { passphrase: await askPassphrase(terminal) }
  const code =
    (await secretFromFile(terminal, 'OCM_RECOVERY_FILE')) ??
    (await terminal.ask('Recovery code', 'secret'))
  return { recoveryCode: code }
}

const listed = ({ snapshots, damaged }: StoredSnapshots) => ({
  snapshots: snapshots.map(({ id, header, standing, disputed }) => ({
    id,
    node: header.node,
    seq: header.seq,
    finishedAt: header.finishedAt,
    trigger: header.trigger,
    epoch: header.epoch,
    openclaw: header.versions.openclaw,
    bytes: header.metrics.bytes,
    standing,
    disputed,
  })),
  damaged,
})

const STANDING = {
  confirmed: '',
  retired: 'node was retired',
  unknown: 'not in the vault record',
} as const

function listText({ snapshots, damaged }: StoredSnapshots): string {
  const rows = snapshots.map(({ id, header, standing, disputed }) => [
    short(id),
    short(header.node),
    String(header.seq),
    time(header.finishedAt),
    bytes(header.metrics.bytes),
    header.versions.openclaw,
    [STANDING[standing], disputed ? 'not in one chain' : ''].filter(Boolean).join(', '),
  ])
  const head = ['SNAPSHOT', 'NODE', 'NO', 'TAKEN', 'SIZE', 'OPENCLAW', '']
  const lines = snapshots.length === 0 ? ['No snapshots.'] : [table(head, rows)]
  if (damaged.length > 0) {
    lines.push(damagedText({ damaged }))
  }
  return lines.join('\n')
}

const damagedText = ({ damaged }: Pick<StoredSnapshots, 'damaged'>): string =>
  `${count(damaged.length, 'header')} damaged: ${damaged.map(short).join(', ')}`

function sayStanding(terminal: Terminal, { header, standing }: StoredSnapshot): void {
  if (standing === 'confirmed') return
  terminal.say(
    standing === 'retired'
      ? `Note: node ${short(header.node)} was retired.`
      : `Warning: node ${short(header.node)} is not in the vault record. Whoever can write into the store may have made this snapshot.`,
  )
}

function resultText(
  { id, header }: StoredSnapshot,
  to: string,
  home: string | null,
  { files, bytes: size, roots }: WriteResult,
): string {
  const state = roots['state'] ?? ''
  return [
    `Snapshot ${short(id)} of ${time(header.finishedAt)}: ${count(files, 'file')}, ${bytes(size)}, below ${to}.`,
    '',
    ...nextSteps(to, home, state, roots['home'] ?? ''),
  ].join('\n')
}

export function nextSteps(
  to: string,
  home: string | null,
  state: string,
  was: string,
): readonly string[] {
  if (home === null) {
    return [
      `Everything lies at its own path: the state directory is ${to}${state}.`,
      `Its paths are right for an account whose home is ${was}; for another, recover with --home.`,
    ]
  }
  return [
    `Its paths are those of an account whose home is ${home}. To go on there:`,
    `  1. Make sure that the OpenClaw it came from does not run any more.`,
    `  2. As that account, with no OpenClaw running: cp -a ${to}${home}/. ${home}/`,
    `  3. openclaw doctor, then openclaw gateway install --force, and start it.`,
  ]
}
