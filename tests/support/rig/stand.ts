/** One node of the rig with an old tree and a gateway that runs on it, and a snapshot of another node to apply to it. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Apply, ApplyParts } from '@ocm/agent'
import { freePort } from '../free-port.ts'
import { NOTHING, type RigHub, partsOf, rigHub } from './agent.ts'
import { type Manager, startManager } from './manager.ts'
import { type RigInstallation, installationAt } from './node.ts'
import { type Wish, orderUnder } from './operator.ts'
import { type Snapshot, snapshotOf } from './snapshots.ts'
import { type Place, type Tree, digestOf, layDown, treeOf } from './trees.ts'
import { A, B, keys, vaultRecord } from './vault.ts'

export const JOB = '0c'.repeat(16)
/** Where the snapshot is from. */
export const ELSEWHERE = { home: '/src/home', port: 1111 }

interface Parts {
  readonly installation: RigInstallation
  readonly hub: RigHub
  readonly snapshot: Snapshot
  readonly apply: Apply
}

export class Stand {
  readonly dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-apply-')))
  readonly #create: (parts: ApplyParts) => Apply
  #manager: Manager | undefined
  #place: Place | undefined
  #parts: Parts | undefined

  private constructor(create: (parts: ApplyParts) => Apply) {
    this.#create = create
  }

  /** @param create the face that is tested. */
  static async open(create: (parts: ApplyParts) => Apply): Promise<Stand> {
    const stand = new Stand(create)
    stand.#manager = await startManager()
    stand.#place = await stand.placeAt('b')
    const { place } = stand
    layDown(place, treeOf(place, 'old', { 'state:cache/page': 'made anew' }))
    await stand.manager.start(place.home, place.port)
    stand.arrange(stand.take(treeOf(ELSEWHERE, 'new')))
    return stand
  }

  async close(): Promise<void> {
    await this.manager.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  get manager(): Manager {
    return this.#manager as Manager
  }
  get place(): Place {
    return this.#place as Place
  }
  get installation(): RigInstallation {
    return (this.#parts as Parts).installation
  }
  get hub(): RigHub {
    return (this.#parts as Parts).hub
  }
  get snapshot(): Snapshot {
    return (this.#parts as Parts).snapshot
  }
  get apply(): Apply {
    return (this.#parts as Parts).apply
  }

  async placeAt(name: string): Promise<Place> {
    return {
      home: path.join(this.dir, name),
      agent: path.join(this.dir, `${name}-agent`),
      port: await freePort(),
      manager: this.manager.url,
    }
  }

  take(tree: Tree, more: Partial<Parameters<typeof snapshotOf>[2]> = {}): Snapshot {
    return snapshotOf(ELSEWHERE, tree, { node: A, key: keys.a, ...more })
  }

  /** Everything anew, around another snapshot. */
  arrange(snapshot: Snapshot): void {
    const installation = installationAt(this.place)
    const hub = rigHub(snapshot)
    const apply = this.#create(partsOf(this.place, { id: B, key: keys.b }, installation, hub))
    this.#parts = { installation, hub, snapshot, apply }
  }

  /** As a restart of the agent does: what was only in memory is gone. */
  restart(): void {
    const { installation, hub, snapshot } = this
    const apply = this.#create(partsOf(this.place, { id: B, key: keys.b }, installation, hub))
    this.#parts = { installation, hub, snapshot, apply }
  }

  clone(more: Partial<Wish> = {}): Wish {
    const target = { id: B, key: keys.b }
    return { job: JOB, kind: 'clone', source: A, target, snapshot: this.snapshot, ...more }
  }

  async order(wish: Partial<Wish> = {}): Promise<Uint8Array> {
    return orderUnder(await this.apply.describe(vaultRecord()), this.clone(wish))
  }

  stage(order: Uint8Array, more: { job?: string; header?: Uint8Array; record?: Uint8Array } = {}) {
    return this.apply.stage({
      job: JOB,
      order,
      record: vaultRecord(),
      header: this.snapshot.header,
      source: keys.a.public,
      ...more,
    })
  }

  async activate(job = JOB) {
    const done = await this.apply.activate({ job, fenced: NOTHING, header: NOTHING })
    await this.apply.tidied()
    return done
  }

  /** The live trees, and what lies beside them. */
  get live(): readonly string[] {
    return digestOf(this.place.home).filter((line) => !line.includes('.ocm-'))
  }
  get leftovers(): readonly string[] {
    return digestOf(this.place.home).filter((line) => line.includes('.ocm-'))
  }
}
