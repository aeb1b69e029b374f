import { Abort, OcmError, utf8 } from '@ocm/protocol'
import { readStatement } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RigInstallation } from '../../../../tests/support/rig/node.ts'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { digestOf, treeOf } from '../../../../tests/support/rig/trees.ts'
import { keys } from '../../../../tests/support/rig/vault.ts'
import { createApply } from './apply.ts'

let stand: Stand
let before: readonly string[] = []
beforeEach(async () => {
  stand = await Stand.open(createApply)
  before = stand.live
})
afterEach(() => stand.close())

/** The exact old tree, nothing beside it, and the gateway that ran runs. */
function asBefore(): object {
  const { running, masked } = stand.manager.stateOf(stand.place.home)
  return { live: stand.live, beside: stand.leftovers, running, masked }
}
const untouched = () => ({ live: before, beside: [], running: true, masked: false })

test('a gateway that does not become ready brings back the old tree and the old gateway', async () => {
  const config = JSON.parse(String(treeOf(ELSEWHERE, 'new')['state:config.json'])) as object
  const sick = JSON.stringify({ ...config, healthy: false })
  stand.arrange(stand.take(treeOf(ELSEWHERE, 'new', { 'state:config.json': sick })))
  await stand.stage(await stand.order())
  const done = await stand.activate()
  expect(done).toMatchObject({ spoke: false, code: 'openclaw-unhealthy', startedAt: 0 })
  const abort = readStatement(p, 'abort', Abort, done.outcome, [keys.b.public])
  expect(abort).toMatchObject({ why: 'openclaw-unhealthy' })
  const started = stand.manager.starts.map(({ config: text }) => text.includes('job-new'))
  expect(started).toEqual([false, true, false])
  expect(asBefore()).toEqual(untouched())
  expect(await stand.activate()).toEqual(done)
})

test('a gateway that cannot be started does too', async () => {
  await stand.stage(await stand.order())
  stand.installation.fail.set('start', new OcmError('openclaw-missing'))
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'openclaw-missing' })
  expect(asBefore()).toEqual(untouched())
})

test('a damaged pack touches nothing live and leaves nothing staged', async () => {
  const packs = [...stand.hub.packs].toSorted(([, x], [, y]) => y.length - x.length)
  for (const [id, bytes] of packs.slice(0, 1)) {
    const flipped = Uint8Array.from(bytes)
    flipped[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    stand.hub.packs.set(id, flipped)
  }
  const order = await stand.order()
  await expect(stand.stage(order)).rejects.toMatchObject({ code: 'pack-damaged' })
  expect(asBefore()).toEqual(untouched())
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'pack-damaged' })
  await expect(stand.stage(order)).rejects.toMatchObject({ code: 'pack-damaged' })
})

test('a link that is lost while staging leaves the job to be taken up again', async () => {
  stand.hub.failAt = { n: 1, error: new OcmError('link-lost') }
  const order = await stand.order()
  await expect(stand.stage(order)).rejects.toMatchObject({ code: 'link-lost' })
  expect(asBefore()).toEqual(untouched())
  delete stand.hub.failAt
  expect((await stand.stage(order)).bytes).toBeGreaterThan(0)
  expect(await stand.activate()).toMatchObject({ spoke: true })
})

test('what OpenClaw would not take is never activated', async () => {
  const older = new OcmError('openclaw-older', { here: '1', theirs: '2' })
  stand.installation.fail.set('validate', older)
  await expect(stand.stage(await stand.order())).rejects.toMatchObject({ code: 'openclaw-older' })
  expect(asBefore()).toEqual(untouched())
})

test('a cron job that was captured and is missing afterwards fails it before anything runs', async () => {
  await stand.stage(await stand.order())
  const { inventory } = stand.installation
  const forgetful: RigInstallation['inventory'] = async (layout) => {
    const listed = await inventory(layout)
    return listed && { ...listed, cron: [] }
  }
  Object.assign(stand.installation, { inventory: forgetful })
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'apply-failed' })
  expect(stand.manager.starts.some(({ config }) => config.includes('job-new'))).toBe(false)
  expect(stand.hub.logs.join('\n')).toContain('job-new')
  expect(asBefore()).toEqual(untouched())
})

test('a snapshot that does not fit on the disk is refused before its first byte is written', async () => {
  const size = 8e15
  stand.arrange(
    stand.take(treeOf(ELSEWHERE, 'new'), {
      entries: [
        {
          root: 'workspace:main',
          path: utf8('huge.bin'),
          kind: 'file',
          section: 'workspaces',
          travel: 'always',
          mode: 0o600,
          modifiedAt: 0,
          size,
          sha256: new Uint8Array(32),
          extents: [[new Uint8Array(32), 0, 0, size]],
        },
      ],
    }),
  )
  // The facts are what the plan believes; the disk is asked again.
  const { facts } = stand.installation
  const boasting: RigInstallation['facts'] = async (wish) => {
    const known = await facts(wish)
    const freeBytes = Object.keys(known.freeBytes).map((name) => [name, 9e18])
    return { ...known, freeBytes: Object.fromEntries(freeBytes) as Record<string, number> }
  }
  Object.assign(stand.installation, { facts: boasting })
  const whole = digestOf(stand.place.home)
  const order = await stand.order()
  const failed = await stand.stage(order).catch((error: unknown) => error as OcmError)
  expect(failed).toMatchObject({ code: 'disk-full' })
  expect((failed as OcmError).facts['needBytes']).toBeGreaterThan(size)
  expect(digestOf(stand.place.home)).toEqual(whole)
})

test('what is discarded leaves nothing and can no longer be activated', async () => {
  await stand.stage(await stand.order())
  expect(stand.leftovers).not.toEqual([])
  await stand.apply.discard(JOB)
  await stand.apply.discard(JOB)
  expect(asBefore()).toEqual(untouched())
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'job-cancelled' })
})
