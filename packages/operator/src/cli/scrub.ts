/**
 * `ocm scrub`: hashes everything that the hub has stored, without keys, and says what rot has cost. The hub knows no files;
 * how many of them that is takes the vault.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OcmError, type ScrubState, hex } from '@ocm/protocol'
import { openSnapshot } from '../snapshots/open.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { Told } from './terminal.ts'

const LOOK_MS = 500

export interface ScrubOptions {
  /** Starts a full one; without it, what is known is shown. */
  readonly all?: boolean
  /** Opens the vault, where anything is damaged. */
  readonly files?: boolean
}

/** Of each snapshot; null: what it consists of cannot be read any more. */
type Files = ReadonlyMap<string, number | null>

/** @throws Told 'pack-damaged' when anything is damaged or missing */
export async function scrub(context: Context, { all, files }: ScrubOptions): Promise<void> {
  const { terminal, ports } = context
  const { api } = ports
  let state = await api.scrub()
  if (all === true) {
    const before = state.endedAt
    state = await api.startScrub()
    let said = ''
    while (state.running !== null) {
      const line = progress(state.running)
      if (line !== said) terminal.say(line)
      said = line
      await sleep(LOOK_MS)
      state = await api.scrub()
    }
    // It ended with the hub that did it.
    if (state.endedAt === before) throw new OcmError('job-cut-off')
  }
  const labels = new Map((await api.nodes()).map(({ id, label }) => [id, label]))
  const lost = files === true && state.damage.length > 0 ? await filesIn(context, state) : undefined
  terminal.result(
    lost === undefined ? state : withFiles(state, lost),
    text(state, (id) => labels.get(id) ?? short(id), lost),
  )
  if (state.damage.length > 0) throw new Told('pack-damaged')
}

/** How many files use a bad pack: told by what a snapshot consists of, so nothing else of it is read. */
const filesIn = (context: Context, { damage, snapshots }: ScrubState): Promise<Files> =>
  withVault(context, async (unlocked) => {
    const bad = new Set(damage.map(({ pack }) => pack))
    const found = new Map<string, number | null>()
    for (const { snapshot } of snapshots) {
      try {
        const { manifest } = await openSnapshot(context.ports, unlocked, snapshot)
        const hit = manifest.entries.filter(({ extents = [] }) =>
          extents.some(([pack]) => bad.has(hex(pack))),
        )
        found.set(snapshot, hit.length)
      } catch (error) {
        if (!(error instanceof OcmError) || !UNREADABLE.has(error.code)) throw error
        found.set(snapshot, null)
      }
    }
    return found
  })

/** Its list of files lies in a bad pack itself. */
const UNREADABLE: ReadonlySet<string> = new Set(['pack-damaged', 'pack-missing', 'seal-broken'])

const withFiles = (state: ScrubState, files: Files) => ({
  ...state,
  snapshots: state.snapshots.map((one) => ({ ...one, files: files.get(one.snapshot) ?? null })),
})

const progress = (running: NonNullable<ScrubState['running']>): string =>
  running.paused
    ? '… waits while a node is backed up or restored'
    : `… ${running.packs} of ${count(running.ofPacks, 'pack')}, ${bytes(running.bytes)} of ${bytes(running.ofBytes)}`

function text(
  state: ScrubState,
  label: (node: string) => string,
  files: Files | undefined,
): string {
  const { packs, bytes: size, endedAt, oldestCheckAt, damage, snapshots } = state
  const head =
    `${count(packs, 'pack')}, ${bytes(size)}. Last full scrub: ${time(endedAt)}; ` +
    `none was hashed longer ago than ${time(oldestCheckAt)}.`
  if (damage.length === 0) return `${head}\nAll of them are whole.`
  const packRows = damage.map(({ pack, node, kind, foundAt, bytes: of }) => [
    short(pack),
    label(node),
    kind,
    bytes(of),
    time(foundAt),
  ])
  const snapshotRows = snapshots.map(({ snapshot, node, receivedAt, damaged }) => [
    short(snapshot),
    label(node),
    time(receivedAt),
    String(damaged),
    ...(files === undefined ? [] : [String(files.get(snapshot) ?? 'unknown')]),
  ])
  const snapshotHead = ['SNAPSHOT', 'NODE', 'TAKEN', 'BAD PACKS', ...(files ? ['FILES'] : [])]
  const how = files === undefined ? '`ocm scrub --files` counts them, ' : ''
  return [
    head,
    table(['PACK', 'NODE', 'IS', 'SIZE', 'FOUND'], packRows),
    snapshots.length === 0 ? 'No snapshot uses them.' : table(snapshotHead, snapshotRows),
    `The hub knows no files: ${how}\`ocm verify SNAPSHOT\` names them. A new backup of the node stores again what was in them.`,
  ].join('\n\n')
}
