/**
 * A hub that was taken over and puts a key of its own in a node's place, or serves a vault of its own. It has the real
 * catalog and the real routes; what it changes is a row.
 */
import { DatabaseSync } from 'node:sqlite'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVault, hex, signVaultRecord } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type RunningHub, startHub } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'

const PORT = 28_951
let ground: string
let fleet: Fleet
let again: RunningHub | undefined
let target: string

beforeAll(async () => {
  ground = freshMachine('hostile')
  fleet = await startFleet(ground)
  await fleet.enrol('ada', smallHome(join(ground, 'home', 'ada'), PORT), ground)
  await fleet.operator.json('backup', 'ada')
  target = join(ground, 'home', 'eve')
  mkdirSync(target, { recursive: true })
  await fleet.enrol('eve', target, ground)
})

afterAll(async () => {
  await again?.stop()
  await fleet?.stop()
})

/** Stops the hub, changes its catalog, and starts it again where it was. */
async function tamper(change: (catalog: DatabaseSync) => void): Promise<void> {
  const port = Number(new URL(fleet.hub.url).port)
  await (again ?? fleet.hub).stop()
  const catalog = new DatabaseSync(join(fleet.hub.data, 'catalog.sqlite'))
  change(catalog)
  catalog.close()
  again = await startHub(fleet.hub.data, { port })
}

test('a hub that swaps the key of a node gets it no order and no grant', async () => {
  const swapped = p.ed25519Pair()
  await tamper((catalog) => {
    catalog.prepare('update nodes set key = ? where label = ?').run(hex(swapped.public), 'eve')
  })
  const answer = await fleet.operator.ocm(
    'clone',
    'ada',
    'eve',
    '--port',
    String(PORT + 1),
    '--json',
    '--yes',
  )
  expect(answer.code).toBe(1)
  expect(JSON.parse(answer.out)).toMatchObject({ code: 'node-unconfirmed' })
  expect(treeOf(target)).toEqual({ '/': '755' })
})

test('a hub that serves a vault of its own is not given a ticket', async () => {
  const own = createVault(p)
  await tamper((catalog) => {
    const record = signVaultRecord(p, own, {
      v: 1,
      vault: own.id,
      serial: 99,
      epoch: 1,
      sealing: own.sealing.public,
      operators: [],
      hubs: [],
      nodes: [],
      revoked: [],
      at: 0,
    })
    catalog.prepare('update vault set root = ?').run(own.root.public)
    catalog
      .prepare('insert into vault_records (serial, bytes, received_at) values (?, ?, 0)')
      .run(99, record)
    // Beside the packs too: a hub whose store and catalog are of two vaults does not start.
    writeFileSync(join(fleet.hub.data, 'packs/vault/record'), record)
  })
  const answer = await fleet.operator.ocm('ticket', '--label', 'late', '--json')
  expect(answer.code).toBe(1)
  expect(['signature-invalid', 'vault-changed']).toContain(
    (JSON.parse(answer.out) as { code: string }).code,
  )
})
