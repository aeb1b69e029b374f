/**
 * No key ever seals two messages under one nonce: many captures, cut ones, captures whose packs were lost, and two agents
 * that go on from copies of one state directory.
 */
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OcmError, type Primitives, hex, openSealed, readPackHead } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { capture } from './capture.ts'
import { MemoryHub } from './testing/hub.ts'
import { SmallNode, newJob, noise } from './testing/node.ts'

let node: SmallNode
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
})
afterEach(() => node.remove())

/** Every pair of key and nonce that something was sealed with, and those that were there before. */
class Watch {
  readonly seen = new Set<string>()
  readonly twice: string[] = []

  readonly p: Primitives = {
    ...nodePrimitives,
    seal: (key, nonce, associated, plain) => {
      this.note(`${hex(key)} ${hex(nonce)}`)
      return nodePrimitives.seal(key, nonce, associated, plain)
    },
  }

  note(pair: string): void {
    if (this.seen.has(pair)) this.twice.push(pair)
    this.seen.add(pair)
  }
}

/** Captures as one agent would that stands on `stateDir`. */
const captureOn = (hub: MemoryHub, stateDir: string, p: Primitives, threads: number) =>
  capture(node.parts({ hub, stateDir, p, threads, now: Date.now }), {
    job: newJob(),
    trigger: 'manual',
  })

test('in this thread, whatever is cut, lost or cloned', async () => {
  const watch = new Watch()
  const { agentState } = node
  let cut = 0
  for (let round = 0; round < 6; round++) {
    writeFileSync(node.at(`new-${round}`), noise(30_000))
    const before = node.hub.puts
    node.hub.beforePut = (puts) => {
      if (round % 2 === 1 && puts - before >= (round === 3 ? 0 : 1)) throw new OcmError('link-lost')
    }
    await captureOn(node.hub, agentState, watch.p, 0).catch((error: unknown) => {
      if (!(error instanceof OcmError) || error.code !== 'link-lost') throw error
      cut++
    })
  }
  expect(cut).toBe(3)
  node.hub.beforePut = () => undefined
  const [lost] = node.hub.packs.keys()
  node.hub.packs.delete(lost as string)
  await captureOn(node.hub, agentState, watch.p, 0)

  const clone = join(node.dir, 'clone')
  cpSync(agentState, clone, { recursive: true })
  const other = new MemoryHub(node.identity.key.public)
  other.headers.push(...node.hub.headers)
  for (const [id, bytes] of node.hub.packs) other.packs.set(id, bytes)
  writeFileSync(node.at('after the copy'), noise(20_000))
  await captureOn(node.hub, agentState, watch.p, 0)
  await captureOn(other, clone, watch.p, 0)

  expect(watch.twice).toEqual([])
  console.log(`${watch.seen.size} pairs of key and nonce, none of them twice`)
  expect(watch.seen.size).toBeGreaterThan(60)
}, 120_000)

/** Keys are looked for in what was stored: threads seal where nobody looks on. */
test('in threads, and in two agents with one state', async () => {
  const { agentState } = node
  const clone = join(node.dir, 'clone')
  const other = new MemoryHub(node.identity.key.public)
  await captureOn(node.hub, agentState, nodePrimitives, 2)
  cpSync(agentState, clone, { recursive: true })
  other.headers.push(...node.hub.headers)
  for (const [id, bytes] of node.hub.packs) other.packs.set(id, bytes)
  writeFileSync(node.at('after the copy'), noise(300_000))
  await captureOn(node.hub, agentState, nodePrimitives, 2)
  await captureOn(other, clone, nodePrimitives, 2)
  const packs = new Map([...node.hub.packs, ...other.packs])
  const keys = new Set([...packs.values()].map((bytes) => hex(packKeyOf(bytes))))
  console.log(`${packs.size} packs of threads, ${keys.size} keys`)
  expect(packs.size).toBeGreaterThan(6)
  expect(keys.size).toBe(packs.size)
}, 120_000)

/** Within a pack every segment has its own number as the nonce: one key for each pack is all that is asked for. */
function packKeyOf(bytes: Uint8Array): Uint8Array {
  const { header, headerHash } = readPackHead(nodePrimitives, bytes)
  const { vault, epoch, node: of, run } = header
  const context = { vault, epoch, node: of, run }
  const runKey = openSealed(nodePrimitives, node.vault.sealing, 'run-key', context, header.runKey)
  const info = Buffer.concat([Buffer.from('ocm/1 pack\0'), headerHash])
  return nodePrimitives.hkdf(runKey, header.salt, info, 32)
}
