/** `ocm scrub`: hashes everything that the hub has stored, without keys, and says what rot has cost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OcmError, type ScrubState } from '@ocm/protocol'
import type { Context } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { Told } from './terminal.ts'

const LOOK_MS = 500

export interface ScrubOptions {
  /** Starts a full one; without it, what is known is shown. */
  readonly all?: boolean
}

/** @throws Told 'pack-damaged' when anything is damaged or missing */
export async function scrub({ terminal, ports }: Context, { all }: ScrubOptions): Promise<void> {
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
  terminal.result(
    state,
    text(state, (id) => labels.get(id) ?? short(id)),
  )
  if (state.damage.length > 0) throw new Told('pack-damaged')
}

const progress = (running: NonNullable<ScrubState['running']>): string =>
  running.paused
    ? '… waits while a node is backed up or restored'
    : `… ${running.packs} of ${count(running.ofPacks, 'pack')}, ${bytes(running.bytes)} of ${bytes(running.ofBytes)}`

function text(state: ScrubState, label: (node: string) => string): string {
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
  ])
  return [
    head,
    table(['PACK', 'NODE', 'IS', 'SIZE', 'FOUND'], packRows),
    snapshots.length === 0
      ? 'No snapshot uses them.'
      : table(['SNAPSHOT', 'NODE', 'TAKEN', 'BAD PACKS'], snapshotRows),
    'The hub knows no files: `ocm verify SNAPSHOT` says which they are. A new backup of the node stores again what was in them.',
  ].join('\n\n')
}
