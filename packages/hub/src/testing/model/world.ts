/**
 * A hub's store with nodes that back up, prune, collect and scrub in any order, and crash at any moment; and what has to
 * hold at each of them. The catalog, the commit, the collector and the repair are those that ship; the disk is paper.
 */
import { type KeyPair, judgeRetention, OcmError, signSnapshot } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type Catalog, catalogOver } from '../../catalog/catalog.ts'
import { collect, repair } from '../../keeping/collect.ts'
import { createCommit } from '../../nodes/commit.ts'
import type { Packs } from '../../nodes/ports.ts'
import { emptyHeader } from '../agent.ts'
import { Disk, paperPacks } from './paper-packs.ts'
import type { Ground } from './ground.ts'
import { numbers, Turns } from './turns.ts'

const HOUR = 3_600_000
const GRACE = 72 * HOUR
const VAULT = 'a'.repeat(32)
const KEYS: readonly KeyPair[] = [p.ed25519Pair(), p.ed25519Pair()]
const NODES = ['1'.repeat(32), '2'.repeat(32)] as const

interface Known {
  readonly node: string
  readonly packs: readonly string[]
  prunedAt: number | null
}

export class World {
  at = Date.UTC(2026, 0, 1)
  readonly next: () => number
  readonly turns: Turns
  readonly disk = new Disk()
  readonly #ground: Ground
  catalog!: Catalog
  packs!: Packs
  #commit!: ReturnType<typeof createCommit>
  /** Packs that each node believes to have stored, those that are gone meanwhile too. */
  readonly index = new Map<string, string[]>(NODES.map((node) => [node, []]))
  /** Snapshots as they were at the last look, and those whose commit was answered. */
  readonly #known = new Map<string, Known>()
  readonly answered = new Map<string, readonly string[]>()
  /** Taken away behind the hub's back and not put again. */
  readonly #stolen = new Set<string>()
  readonly counts: Record<string, number> = {}
  /** When something was pruned since the last look. */
  #prunes: number[] = []
  /** Of what the last look was. */
  #looked = ''
  #made = 0

  private constructor(seed: number, ground: Ground) {
    this.next = numbers(seed)
    this.turns = new Turns(this.next, ground.rest)
    this.#ground = ground
    this.#boot()
  }

  static async open(seed: number, ground: Ground): Promise<World> {
    const db = ground.boot()
    await db.updateTable('keeping').set({ lock_days: 0, lock_last: 1 }).execute()
    const empty = new Uint8Array()
    const blank = { label: '', boot: '', ticket: empty, enrolment: empty, agent_version: '' }
    const row = { ...blank, state: 'active', seq_stored: 0, enrolled_at: 0 } as const
    const rows = NODES.map((id, index) => ({ ...row, id, key: String(index) }))
    await db.insertInto('nodes').values(rows).execute()
    return new World(seed, ground)
  }

  #boot(): void {
    const now = () => this.at
    this.catalog = catalogOver(this.#ground.boot())
    this.packs = paperPacks(this.disk, this.turns.gate)
    const record = { vault: VAULT, epoch: 1 }
    this.#commit = createCommit({
      p,
      snapshots: this.catalog.snapshots,
      packs: this.packs,
      vault: { needed: () => ({ record }) as never },
      publish: () => undefined,
      now,
    })
  }

  upTo(n: number): number {
    return Math.floor(this.next() * n)
  }
  oneOf<T>(of: readonly T[]): T | undefined {
    return of[this.upTo(of.length)]
  }
  node(): (typeof NODES)[number] {
    return NODES[this.upTo(NODES.length)] ?? NODES[0]
  }
  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }
  newPack(): string {
    return String(++this.#made).padStart(64, '0')
  }

  async put(node: string, id: string): Promise<void> {
    const bytes = 100
    await this.packs.put(id, bytes, nothing())
    const pack = { node, id, class: 'state' as const, bytes, at: this.at }
    const added = await this.catalog.snapshots.addPack(pack, this.packs.size)
    this.count(added ? 'put' : 'put for nothing')
    if (added) this.index.set(node, [...new Set([...(this.index.get(node) ?? []), id])])
  }

  async ask(node: string): Promise<void> {
    const ids = this.index.get(node) ?? []
    const wanted = ids.map((id) => ({ id }))
    const { snapshots } = this.catalog
    const missing = new Set(await snapshots.claimPacks(node, wanted, this.packs.size, this.at))
    this.index.set(
      node,
      (this.index.get(node) ?? []).filter((id) => !missing.has(id)),
    )
    this.count('asked')
  }

  /** Answers what is missing. */
  async commit(node: string, packs: readonly string[]): Promise<readonly string[]> {
    const key = KEYS[NODES.indexOf(node as (typeof NODES)[number])]
    if (!key) throw new Error(node)
    const newest = await this.catalog.snapshots.newest(node)
    const header = {
      ...emptyHeader({ vault: VAULT, node }),
      seq: (newest?.seq ?? 0) + 1,
      prev: newest?.id ?? null,
      packs: packs.map((id) => ({ id, bytes: 100, class: 'state' as const, liveBytes: 100 })),
    }
    try {
      const said = await this.#commit({ id: node, key: key.public }, signSnapshot(p, header, key))
      if (said.snapshot !== null) this.answered.set(said.snapshot, packs)
      this.count(said.snapshot === null ? 'refused' : 'committed')
      return said.missing
    } catch (error) {
      // Another commit of this node came first.
      if (!(error instanceof OcmError && error.code === 'snapshot-refused')) throw error
      this.count('came second')
      return []
    }
  }

  async prune(keepLast: number): Promise<void> {
    const rules = { policy: { keepLast }, lock: { days: 0, last: 1 } }
    const gone = await this.catalog.keeping.prune(
      (snapshots) => judgeRetention(snapshots, { ...rules, now: this.at }),
      undefined,
      { now: () => this.#prunesNow(), actor: 'model' },
    )
    if (gone.length > 0) this.count('pruned')
  }

  #prunesNow(): number {
    this.#prunes.push(this.at)
    return this.at
  }

  async undo(): Promise<void> {
    const pruned = [...this.#known].filter(([, { prunedAt }]) => prunedAt !== null)
    const one = this.oneOf(pruned)
    if (!one) return
    try {
      await this.catalog.keeping.undo(one[0])
      this.count('undone')
    } catch (error) {
      if (!(error instanceof OcmError && error.code === 'undo-too-late')) throw error
      this.count('undone too late')
    }
  }

  async collect(): Promise<void> {
    const { keeping, snapshots } = this.catalog
    const done = await collect({ keeping, snapshots, packs: this.packs }, this.at)
    if (done.packs > 0) this.count('packs deleted')
    if (done.snapshots > 0) this.count('snapshots collected')
  }

  async scrub(): Promise<void> {
    const { keeping } = this.catalog
    for (const pack of await keeping.leastChecked(this.at, this.at, 2)) {
      await keeping.checked(pack, await this.packs.check(pack.id, pack.bytes), this.at)
    }
  }

  steal(): void {
    const there = [...this.disk.packs].filter(([, file]) => file.there)
    const one = this.oneOf(there)
    if (!one) return
    this.disk.change(this.disk.packs, one[0], false).synced = false
    this.#stolen.add(one[0])
    this.count('stolen')
  }

  /** The process dies where it stands, what it had begun is rolled back, and another one begins. */
  crash(): void {
    this.turns.die()
    this.disk.crash(this.next)
    this.count('crashed')
    this.#boot()
    const { keeping, snapshots } = this.catalog
    this.turns.begin('repair', () => repair({ keeping, snapshots, packs: this.packs }))
  }

  /** @throws what does not hold at this moment */
  async look(): Promise<void> {
    const [failed] = this.turns.failed
    if (failed !== undefined) throw failed as Error
    for (const [id, { there, synced }] of this.disk.packs) {
      if (there && synced) this.#stolen.delete(id)
    }
    if (this.#ground.isHalf()) return
    const now = `${this.#ground.changes()} ${this.disk.changes}`
    if (now === this.#looked) return
    this.#looked = now
    const rows = await this.#ground.rows<{
      id: string
      node: string
      seq: number
      pruned_at: number | null
    }>('select id, node, seq, pruned_at from snapshots')
    const used = await this.#ground.rows<{ snapshot: string; pack: string; state: string }>(
      `select u.snapshot, u.pack, p.state from snapshot_packs u
       left join packs p on p.node = u.node and p.id = u.pack`,
    )
    for (const { snapshot, pack, state } of used) {
      const file = this.disk.packs.get(pack)
      if (!(file?.there && file.synced) && !this.#stolen.has(pack)) {
        throw new Error(`snapshot ${snapshot} refers to pack ${pack}, which is not on the disk`)
      }
      if (state !== 'live' && state !== 'tombstoned') {
        throw new Error(`snapshot ${snapshot} refers to pack ${pack}, which is ${state}`)
      }
    }
    const packsOf = Map.groupBy(used, ({ snapshot }) => snapshot)
    const found = new Map<string, Known>()
    for (const { id, node, pruned_at: prunedAt } of rows) {
      const header = this.disk.headers.get(id)
      if (!(header?.there && header.synced)) throw new Error(`snapshot ${id} has no header`)
      const packs = (packsOf.get(id) ?? []).map(({ pack }) => pack)
      found.set(id, { node, packs, prunedAt })
    }
    this.#checkGone(found)
    for (const node of NODES) {
      const newest = rows.filter((row) => row.node === node).toSorted((a, b) => b.seq - a.seq)[0]
      if (newest && newest.pruned_at !== null) throw new Error(`the newest of ${node} is pruned`)
    }
    this.#known.clear()
    this.#prunes = []
    for (const [id, known] of found) this.#known.set(id, known)
  }

  /** An answered snapshot stays whole until it was pruned for as long as the grace. */
  #checkGone(now: ReadonlyMap<string, Known>): void {
    for (const [id, packs] of this.answered) {
      const found = now.get(id)
      if (found) {
        if (found.packs.length !== packs.length) throw new Error(`snapshot ${id} is not whole`)
        continue
      }
      // Between two looks it may have been pruned and collected: nobody looks into a transaction.
      const prunedAt = this.#known.get(id)?.prunedAt ?? this.#prunes[0] ?? null
      if (prunedAt === null || this.at - prunedAt < GRACE) throw new Error(`snapshot ${id} is lost`)
      this.answered.delete(id)
    }
  }

  /**
   * When everything has come to rest: each node can back up again, whatever it lost, and what nothing refers to is gone.
   */
  async settle(): Promise<void> {
    await this.#done('repair')
    for (const node of NODES) {
      const all = [...new Set([...(this.index.get(node) ?? []), this.newPack()])]
      let missing: readonly string[] = []
      await this.#run(async () => void (missing = await this.commit(node, all)))
      for (const id of missing) await this.#run(() => this.put(node, id))
      await this.#run(async () => void (missing = await this.commit(node, all)))
      if (missing.length > 0) throw new Error(`what was missing was put, and is missing still`)
    }
    for (let round = 0; round < 3; round++) {
      await this.#run(() => this.collect())
      this.at += GRACE
    }
    await this.look()
    const { rows: ask } = this.#ground
    const packs = await ask<{ id: string }>('select id from packs')
    const rows = new Set(packs.map(({ id }) => id))
    const references = await ask<{ pack: string }>('select pack from snapshot_packs')
    const used = new Set(references.map(({ pack }) => pack))
    for (const id of rows) if (!used.has(id)) throw new Error(`pack ${id} was not collected`)
    const loose = [...this.disk.headers].filter(([id, { there }]) => there && !this.#known.has(id))
    if (loose.length > 0) throw new Error(`${loose.length} headers without a snapshot`)
  }

  async #run(task: () => Promise<void>): Promise<void> {
    this.turns.begin('settle', task)
    await this.#done('settle')
  }

  async #done(what: string): Promise<void> {
    while (this.turns.isRunning(what)) {
      await this.turns.take()
      await this.look()
    }
    await this.look()
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
