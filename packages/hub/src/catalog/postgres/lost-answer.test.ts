/** The connection breaks when PostgreSQL has done what it was asked, or before: nobody knows which of both. */
import { existsSync } from 'node:fs'
import { signSnapshot, snapshotIdOf } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  startPostgres,
  type TestPostgres,
  whyNoPostgres,
} from '../../../../../tests/support/postgres/server.ts'
import { startWire, type Wire } from '../../../../../tests/support/postgres/wire.ts'
import { repair } from '../../keeping/collect.ts'
import { emptyHeader, listed } from '../../testing/agent.ts'
import { TestHub } from '../../testing/hub.ts'
import { TestStore, VAULT } from '../../testing/store.ts'

const why = whyNoPostgres()
let server: TestPostgres
let wire: Wire
let catalogUrl = ''

describe.skipIf(why)(`an answer that is lost${why === undefined ? '' : `: ${why}`}`, () => {
  beforeAll(async () => {
    server = await startPostgres('fsync=off')
    wire = await startWire(server.port)
    catalogUrl = server.remote().replace(`:${server.port}/`, `:${wire.port}/`)
  })
  afterAll(async () => {
    await wire?.stop()
    await server?.stop()
  })
  beforeEach(() => server.sql('drop schema public cascade; create schema public'))

  test.each([
    ['after', true],
    ['before', false],
  ] as const)(
    '%s the commit of a snapshot costs neither it nor its header',
    async (when, isDone) => {
      const store = await TestStore.open({ catalogUrl, remove: async () => undefined })
      const node = await store.node()
      const pack = p.random(1000)
      await node.put(pack)
      const header = { ...emptyHeader({ vault: VAULT, node: node.id }), packs: [listed(pack)] }
      const statement = signSnapshot(p, header, node.key)
      const id = snapshotIdOf(p, statement)
      const file = `${store.root}/packs/snapshots/${id}`
      const commit = () => store.commit({ id: node.id, key: node.key.public }, statement)

      // The one that adds it, and not those that only ask.
      const { addSnapshot } = store.catalog.snapshots
      store.catalog.snapshots.addSnapshot = (...given) => {
        wire.breakAt('commit', when)
        return addSnapshot(...given)
      }
      await expect(commit()).rejects.toMatchObject({ code: 'catalog-failed' })
      store.catalog.snapshots.addSnapshot = addSnapshot
      expect((await store.catalog.snapshots.newest(node.id))?.id).toBe(isDone ? id : undefined)
      expect(existsSync(file)).toBe(true)

      const { keeping, snapshots } = store.catalog
      await repair({ keeping, snapshots, packs: store.packs })
      expect(existsSync(file)).toBe(isDone)
      expect(await commit()).toEqual({ snapshot: id, missing: [] })
      expect(existsSync(file)).toBe(true)
      await store.close()
    },
  )

  test('of a vault record: what the hub knows is what the catalog has', async () => {
    const hub = await TestHub.ready({ catalogUrl })
    const served = async () => (await hub.call('GET', '/api/vault')).body.record
    const before = await served()
    wire.breakAt('insert into "vault_records"', 'after')
    expect((await hub.putRecord({})).body).toMatchObject({ code: 'catalog-failed' })
    await expect.poll(served).not.toBe(before)
    expect((await hub.putRecord({})).body).toMatchObject({ code: 'vault-record-stale' })
    await hub.close()
  })
})
