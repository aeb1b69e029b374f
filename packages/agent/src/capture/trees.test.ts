/**
 * Random trees through capture, store, reader and back onto a disk. Some trees in a row are of one node, so that what it remembers of the
 * run before is at work. `npm run proof -- trees` runs many more of these.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Manifest, type Packs, pathFromBytes, readManifest } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { readInto } from '../reading/read-into.ts'
import { capture } from './capture.ts'
import { SmallNode, contentOf, newJob, placed } from './testing/node.ts'
import { Dice, RandomTree, type Seen, onDiskNow } from './testing/random-trees.ts'

const count = Number(process.env['OCM_TREES'] ?? 42)
const seed = Number(process.env['OCM_SEED'] ?? 1)
/** Mostly none: starting them takes longer than all the rest. */
const THREADS = [...Array.from({ length: 30 }, () => 0), 1, 2]
/** Trees of one node, one after the other. */
const IN_A_ROW = 6
/** More than a tick of the kernel's clock. */
const TICKS_MS = 30
const LATER_MS = 10_000

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** As `onDiskNow` tells of a disk; databases are files there. */
async function inSnapshot(packs: Packs, manifest: Manifest): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>()
  for (const entry of manifest.entries.filter(({ root }) => root !== 'extra:notes')) {
    const { root, kind, size, extents, target } = entry
    const inside = Buffer.from(entry.path).toString('latin1')
    const name = root === 'state' ? inside : inside === '' ? 'ws' : `ws/${inside}`
    const content = extents ? await contentOf(packs, entry) : (target ?? new Uint8Array())
    const more = kind === 'directory' ? '' : ` ${size} ${sha256(content)}`
    const what = `${kind === 'database' ? 'file' : kind} ${entry.mode.toString(8)}${more}`
    seen.set(name, { what, modifiedAt: Math.round(entry.modifiedAt * 1000) })
  }
  return seen
}

/** The same as it lies on a disk again, written by what applies and recovers. */
async function written(node: SmallNode, { root }: Packs, manifest: Manifest) {
  const to = join(node.dir, 'back')
  const items = manifest.entries
    .filter((entry) => entry.root !== 'extra:notes')
    .map((entry) => {
      const inside = pathFromBytes(entry.path)
      const below = entry.root === 'state' ? inside : inside === '' ? 'ws' : `ws/${inside}`
      return { path: below, entry }
    })
  const source = { packs: root.packs, fetch: node.fetch, openerOf: node.opener() }
  try {
    await readInto(p, source, items, to, { durable: false })
    return onDiskNow(to)
  } finally {
    rmSync(to, { recursive: true, force: true })
  }
}

/** Owners are not stored, so nothing that comes back is to run as somebody else. */
const withoutOwners = (seen: Map<string, Seen>): Map<string, Seen> =>
  new Map(
    [...seen].map(([name, { what, modifiedAt }]) => {
      const plain = what.replace(/(?<=^(?:file|directory) )\d+/, (mode) =>
        (Number.parseInt(mode, 8) & 0o777).toString(8),
      )
      return [name, { what: plain, modifiedAt }]
    }),
  )

const CLASSES = ['state', 'bulk', 'secret'] as const

function installationOf(node: SmallNode) {
  return node.installation({
    classify: ({ root, path }) =>
      placed(root === 'state' ? 'gateway' : 'workspaces', CLASSES[path.length % 3] ?? 'state'),
  })
}

/** Times are kept as fractions, so their last digit may differ. */
const isSame = (a: Seen | undefined, b: Seen | undefined) =>
  a?.what === b?.what && Math.abs((a?.modifiedAt ?? 0) - (b?.modifiedAt ?? 0)) <= 1

/** What is in one and not in the other, for people. */
const difference = (disk: Map<string, Seen>, snapshot: Map<string, Seen>): readonly string[] =>
  [...new Set([...disk.keys(), ...snapshot.keys()])]
    .filter((name) => !isSame(disk.get(name), snapshot.get(name)))
    .map((name) => JSON.stringify([name, disk.get(name), snapshot.get(name)]))

async function oneNode(dice: Dice, trees: number, wrong: string[], first: number): Promise<void> {
  const node = await SmallNode.create()
  try {
    mkdirSync(node.at('ws'))
    writeFileSync(join(node.dir, 'home', 'notes.txt'), 'notes')
    const database = node.database()
    database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (hex(randomblob(30000)))')
    database.close()
    const tree = new RandomTree(dice, node.state)
    const installation = installationOf(node)
    // To a clock that is ahead everything has long stood still, so it is relied on; then nothing may change within a tick.
    const isLater = dice.chance(0.5)
    for (let n = 0; n < trees; n++) {
      if (isLater) await pause(TICKS_MS)
      if (n > 0) tree.change()
      tree.grow()
      // Half of the others are captured within the tick of the clock in which they were written.
      if (isLater || dice.chance(0.5)) await pause(TICKS_MS)
      const now = () => Date.now() + (isLater ? (n + 1) * LATER_MS : 0)
      const parts = node.parts({ installation, now, threads: dice.one(THREADS) })
      await capture(parts, { job: newJob(), trigger: 'manual' })
      const packs = node.packs()
      const manifest = await readManifest(packs)
      const snapshot = await inSnapshot(packs, manifest)
      const disk = onDiskNow(node.state)
      for (const name of disk.keys()) if (/^ocm(\/|$)/.test(name)) disk.delete(name)
      const back = await written(node, packs, manifest)
      const differences = [
        ...difference(disk, snapshot),
        ...difference(withoutOwners(disk), back).map((line) => `written: ${line}`),
      ]
      wrong.push(...differences.map((line) => `tree ${first + n}: ${line}`))
      if (wrong.length > 20) return
    }
  } finally {
    node.remove()
  }
}

test(
  `${count} random trees (seed ${seed}) come back as they were`,
  async () => {
    const wrong: string[] = []
    for (let first = 0; first < count && wrong.length === 0; first += IN_A_ROW) {
      await oneNode(
        new Dice(seed * 1_000_003 + first),
        Math.min(IN_A_ROW, count - first),
        wrong,
        first,
      )
      if (count > 1000 && first % 600 === 0) console.log(`${first} trees`)
    }
    expect(wrong).toEqual([])
  },
  60_000 + count * 5000,
)
