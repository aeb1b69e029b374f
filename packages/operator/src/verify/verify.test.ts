import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { concat, fromBase64url, readVaultRecord } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, expect, test } from 'vitest'
import { startCrew } from '../node/verify/crew.ts'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { type PaperNode, joinNode } from '../paper/node.ts'
import { type WovenFile, takeWoven } from '../paper/woven.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { prepareSetup } from '../vault/setup.ts'
import { issueTicket } from '../vault/ticket.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { packTaker } from './take-pack.ts'
import { type Checkers, isWhole, verifySnapshots } from './verify.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const KIB = 1024

let hub: PaperHub
let unlocked: Unlocked
let node: PaperNode

/** What the threads do, without their start. */
const here: Checkers = {
  width: 2,
  check: (task, hand) => packTaker(p, hub.ports.api)(task, hand),
}

beforeEach(async () => {
  hub = paperHub(p)
  const { request } = await prepareSetup(p, {
    name: 'olivia',
    password: 'login-of-olivia',
    passphrase: PASSPHRASE,
    hubKey: hub.vault.hubKey,
    now: 0,
  })
  hub.accept(request)
  unlocked = await openVault(hub.ports, PASSPHRASE)
  const { join } = await issueTicket(hub.ports, unlocked, { label: 'alpha', ttlMs: 60_000 })
  node = joinNode(p, hub, 'alpha', { join, statement: hub.tickets.at(-1) ?? '' })
  unlocked = (await confirmNodes(hub.ports, unlocked)).unlocked
})

const record = () =>
  readVaultRecord(p, unlocked.vault.root.public, fromBase64url(hub.vault.record), 0)

/** Text that compresses to nothing else than itself, of any length. */
const bytes = (length: number, seed: number) =>
  concat(
    ...Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
      p.sha256(Uint8Array.of(seed, i & 255, i >> 8)),
    ),
  ).subarray(0, length)

const FILES: readonly WovenFile[] = [
  { path: 'small', kind: 'file', bytes: bytes(900, 1), packs: [0], pieceBytes: KIB },
  { path: 'other', kind: 'file', bytes: bytes(5000, 2), packs: [2], pieceBytes: 8 * KIB },
  { path: 'empty', kind: 'file', bytes: bytes(0, 3), packs: [0], pieceBytes: KIB },
  { path: 'log', kind: 'file', bytes: bytes(700 * KIB, 4), packs: [0, 1], pieceBytes: 20_000 },
  { path: 'back', kind: 'file', bytes: bytes(200 * KIB, 5), packs: [2, 1, 0], pieceBytes: 30_000 },
  {
    path: 'db',
    kind: 'database',
    bytes: bytes(400 * KIB + 100, 6),
    packs: [1, 2],
    pieceBytes: 16 * KIB,
  },
  { path: 'odd', kind: 'database', bytes: bytes(90 * KIB, 7), packs: [0, 2], pieceBytes: 10_000 },
]

const verify = (...snapshots: string[]) => verifySnapshots(hub.ports, unlocked, { snapshots }, here)

function damage(pack: string, at: number): void {
  const stored = (hub.packs.get(pack) as Uint8Array).slice()
  const i = at < 0 ? stored.length + at : at
  stored[i] = (stored[i] as number) ^ 1
  hub.packs.set(pack, stored)
}

test('finds everything whole, in pieces and in any order', async () => {
  const { id } = takeWoven(p, hub, record(), node, FILES)
  const report = await verify(id)
  expect(report).toMatchObject({
    whole: [id],
    damaged: [],
    unreadable: [],
    packs: [],
    different: [],
  })
  expect(report.checked).toMatchObject({ packs: 4, contents: FILES.length })
  expect(report.checked.plainBytes).toBeGreaterThan(
    FILES.reduce((sum, f) => sum + f.bytes.length, 0),
  )
  expect(isWhole(report)).toBe(true)
})

test('names what a damaged segment costs, and nothing else', async () => {
  const { id, packs } = takeWoven(p, hub, record(), node, FILES)
  // Behind the head, in the first segment: where the first two files of pack 0 lie.
  damage(packs[0] as string, 600)
  const report = await verify(id)
  expect(report.damaged).toEqual([id])
  expect(report.packs).toMatchObject([{ pack: packs[0], why: 'damaged', segments: [0] }])
  const costs = report.packs[0]?.affected.map(({ path }) => path).toSorted()
  expect(costs).toEqual(['state:log', 'state:small'])
  expect(report.different).toEqual([])
})

test.each([
  ['at its beginning', (pack: string) => damage(pack, 0)],
  ['in its header', (pack: string) => damage(pack, 60)],
  ['in its footer', (pack: string) => damage(pack, -20)],
  ['at its end', (pack: string) => damage(pack, -1)],
  [
    'because it is short',
    (pack: string) => hub.packs.set(pack, (hub.packs.get(pack) as Uint8Array).slice(0, -9)),
  ],
  ['because it is another', (pack: string) => hub.packs.set(pack, bytes(5000, 9))],
])('names every content of a pack that is damaged %s', async (_where, hurt) => {
  const { id, packs } = takeWoven(p, hub, record(), node, FILES)
  hurt(packs[2] as string)
  const report = await verify(id)
  expect(report.damaged).toEqual([id])
  expect(report.packs).toMatchObject([{ pack: packs[2], why: 'damaged' }])
  const costs = report.packs[0]?.affected.map(({ path }) => path).toSorted()
  expect(costs).toEqual(['state:back', 'state:db', 'state:odd', 'state:other'])
})

test('names what a missing pack costs, and verifies the rest', async () => {
  const { id, packs } = takeWoven(p, hub, record(), node, FILES)
  hub.packs.delete(packs[1] as string)
  const report = await verify(id)
  expect(report.packs).toMatchObject([{ pack: packs[1], why: 'missing' }])
  expect(report.packs[0]?.affected.map(({ path }) => path).toSorted()).toEqual([
    'state:back',
    'state:db',
    'state:log',
  ])
})

test('finds contents that open and are not what the manifest says', async () => {
  const wrong = FILES.map((file) => ({ ...file, hashOf: bytes(10, 8) }))
  const { id } = takeWoven(p, hub, record(), node, wrong)
  const report = await verify(id)
  expect(report.packs).toEqual([])
  expect(report.different.map(({ path }) => path).toSorted()).toEqual(
    FILES.map(({ path }) => `state:${path}`).toSorted(),
  )
  expect(report.damaged).toEqual([id])
})

test('reads what several snapshots share once, and names each that has a damage', async () => {
  const first = takeWoven(p, hub, record(), node, FILES, 1)
  const second = takeWoven(p, hub, record(), node, FILES.slice(0, 2), 2)
  damage(second.packs[2] as string, 700)
  const report = await verify(first.id, second.id)
  expect(report.whole).toEqual([first.id])
  expect(report.damaged).toEqual([second.id])
  expect(report.packs[0]?.affected).toEqual([{ path: 'state:other', snapshots: [second.id] }])
  // The second says that it follows nobody.
  expect(report.gaps).toEqual([{ snapshot: second.id, why: 'chain' }])
})

test('says of a snapshot that cannot be read why, and goes on with the others', async () => {
  const { id } = takeWoven(p, hub, record(), node, FILES)
  const lost = takeWoven(p, hub, record(), node, FILES.slice(0, 1), 1)
  const before = new Set([...hub.packs.keys()].slice(0, 4))
  const tree = [...hub.packs.keys()].findLast(
    (pack) => !before.has(pack) && !lost.packs.includes(pack),
  )
  hub.packs.delete(tree as string)
  const report = await verify(id, lost.id)
  expect(report.whole).toEqual([id])
  expect(report.unreadable).toMatchObject([{ snapshot: lost.id }])
  expect(isWhole(report)).toBe(false)
})

test('looks at a sample of the packs when no more is wanted', async () => {
  const { id } = takeWoven(p, hub, record(), node, FILES)
  const wish = { snapshots: [id], share: 0.5 }
  const report = await verifySnapshots(hub.ports, unlocked, wish, here)
  expect(report).toMatchObject({ sampled: true, checked: { packs: 2 } })
})

test('finds the same when threads do the work', async () => {
  const { id, packs } = takeWoven(p, hub, record(), node, FILES)
  damage(packs[2] as string, 700)
  const server = createServer(({ url = '', headers }, response) => {
    const pack = hub.packs.get(url.replace('/api/packs/', ''))
    response.writeHead(pack && headers.authorization === 'Bearer t0ken' ? 200 : 404).end(pack)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const crew = startCrew(2, { url, token: 't0ken' })
  try {
    const report = await verifySnapshots(hub.ports, unlocked, { snapshots: [id] }, crew)
    expect(report).toEqual(await verify(id))
    expect(report.damaged).toEqual([id])
  } finally {
    await crew.close()
    server.close()
  }
}, 30_000)
