/** What this node took over in a move, for the headers of its snapshots: it keeps its own id and its own chain. */
import { join } from 'node:path'
import type { Static } from 'typebox'
import { Hash, Id, type Order, Strict, check, fromUtf8 } from '@ocm/protocol'
import { readDurable, removeDurable, writeDurable } from '../store/durable.ts'

const Continued = Strict({ node: Id, snapshot: Hash })
export type Continued = Static<typeof Continued>

const fileIn = (stateDir: string) => join(stateDir, 'continues')

/** @param stateDir the agent's own. */
export async function takenOver(stateDir: string): Promise<Continued | null> {
  const bytes = await readDurable(fileIn(stateDir))
  return bytes === undefined ? null : check(Continued, JSON.parse(fromUtf8(bytes)), 'continues')
}

export async function setTakenOver(stateDir: string, what: Continued | null): Promise<void> {
  if (what === null) await removeDurable(fileIn(stateDir))
  else await writeDurable(fileIn(stateDir), JSON.stringify(what))
}

/** What is needed to know of an apply that was carried out. */
interface AppliedHere {
  readonly kind: Order['kind']
  readonly source: string
  readonly snapshot?: string
  readonly graft?: unknown
}

/** A clone begins anew; a restore, or parts that are put in, change nothing about it. */
export async function noteTakenOver(stateDir: string, by: AppliedHere): Promise<void> {
  const { kind, source, snapshot, graft } = by
  if (graft !== undefined) return
  if (kind === 'clone') await setTakenOver(stateDir, null)
  if (kind === 'move' && snapshot !== undefined) {
    await setTakenOver(stateDir, { node: source, snapshot })
  }
}
