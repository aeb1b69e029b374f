import { chmodSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { treeOf } from '../../../../tests/support/rig/trees.ts'
import { createApply } from './apply.ts'

let stand: Stand
beforeEach(async () => {
  stand = await Stand.open(createApply)
})
afterEach(() => stand.close())

const recordOf = ({ place }: Stand, job = JOB) =>
  JSON.parse(readFileSync(path.join(place.agent, 'journal', job, 'target.json'), 'utf8')) as {
    state: string
    scraps: readonly string[]
  }

const unhealthy = () => {
  const tree = treeOf(ELSEWHERE, 'new')
  const config = JSON.parse(tree['state:config.json'] as string) as object
  const broken = JSON.stringify({ ...config, healthy: false })
  stand.arrange(stand.take({ ...tree, 'state:config.json': broken }))
}

test('a copy of what is staged is tried at a place of its own, and nothing of it is left', async () => {
  const before = stand.live
  await stand.stage(await stand.order({ isTried: true }))
  const staged = stand.leftovers
  const done = await stand.apply.trial(JOB)

  expect(done).toEqual({ ready: true, inventoryEqual: true, isolated: true })
  const [{ config, tree, digest } = unmade()] = stand.installation.trials
  expect(tree.directory).toBe(`${stand.place.home}/.ocm-trial-${JOB.slice(0, 8)}`)
  const home = `${tree.directory}/home`
  expect(JSON.parse(config)).toMatchObject({ home, work: `${home}/work`, port: 2222 })
  expect(digest.join('\n')).toContain('home/work/only-new.txt 600')
  expect(digest).toContainEqual('home/work/link -> tools/run.sh')
  expect(digest.join('\n')).toContain('home/work/tools/run.sh 755')
  expect(stand.leftovers).toEqual(staged)
  expect(stand.live).toEqual(before)
  expect(stand.manager.starts).toHaveLength(1)
  expect(await stand.activate()).toMatchObject({ spoke: true, inventoryEqual: true })
  expect(JSON.parse(readFileSync(`${stand.place.home}/app/config.json`, 'utf8'))).toMatchObject({
    home: stand.place.home,
    port: stand.place.port,
  })
})

const unmade = (): never => {
  throw new Error('nothing was tried')
}

test('what its owner may not write to can be rewritten in the copy, and stays as it is in the stage', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const staged = `${stand.place.home}/work.ocm-stage-${JOB}`
  chmodSync(`${staged}/tools`, 0o555)
  chmodSync(`${staged}/only-new.txt`, 0o400)
  expect(await stand.apply.trial(JOB)).toMatchObject({ ready: true })
  const digest = stand.installation.trials[0]?.digest.join('\n')
  expect(digest).toContain('home/work/tools/ 755')
  expect(digest).toContain('home/work/only-new.txt 600')
  expect(stand.leftovers.join('\n')).toContain('only-new.txt 400')
})

test('a copy that does not start ends the job with nothing of it left', async () => {
  unhealthy()
  const before = stand.live
  await stand.stage(await stand.order({ isTried: true }))
  expect(await stand.apply.trial(JOB)).toEqual({
    ready: false,
    inventoryEqual: null,
    isolated: true,
  })
  expect(stand.hub.logs.join()).toContain('not healthy')
  expect(stand.live).toEqual(before)
  expect(stand.leftovers).toEqual([])
  await expect(stand.apply.trial(JOB)).rejects.toMatchObject({ code: 'trial-failed' })
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'trial-failed' })
  expect(stand.manager.stateOf(stand.place.home)).toEqual({ running: true, masked: false })
})

test('a copy that starts and lacks what was captured ends the job', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const { tryTree } = stand.installation
  const forgetful: typeof tryTree = async (...asked) => {
    const found = await tryTree(...asked)
    return { ...found, inventory: found.inventory && { ...found.inventory, cron: [] } }
  }
  Object.assign(stand.installation, { tryTree: forgetful })
  await expect(stand.apply.trial(JOB)).rejects.toMatchObject({
    code: 'trial-failed',
    facts: { why: 'inventory', count: 1 },
  })
  expect(stand.hub.logs.join()).toContain('job-new')
  expect(stand.leftovers).toEqual([])
})

test('a cron job that the running copy does not list is missed, whatever the database holds', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const { tryTree } = stand.installation
  const blind: typeof tryTree = async (...asked) => ({
    ...(await tryTree(...asked)),
    cronAsked: [],
  })
  Object.assign(stand.installation, { tryTree: blind })
  await expect(stand.apply.trial(JOB)).rejects.toMatchObject({ code: 'trial-failed' })
})

test('a plugin that is missing is named, and is a difference', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const { tryTree } = stand.installation
  const bare: typeof tryTree = async (...asked) => ({
    ...(await tryTree(...asked)),
    pluginsMissing: ['whisper'],
  })
  Object.assign(stand.installation, { tryTree: bare })
  expect(await stand.apply.trial(JOB)).toMatchObject({ ready: true, inventoryEqual: false })
  expect(stand.hub.logs.join()).toContain('whisper')
})

test('an order without a trial is answered so, and nothing is copied', async () => {
  await stand.stage(await stand.order({ choices: { trial: false } }))
  expect(await stand.apply.trial(JOB)).toMatchObject({ skipped: true, isolated: false })
  expect(stand.installation.trials).toEqual([])
  expect(await stand.activate()).toMatchObject({ spoke: true })
})

test('asked again or twice at once, it is tried once', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const [one, two] = await Promise.all([stand.apply.trial(JOB), stand.apply.trial(JOB)])
  expect(one).toEqual(two)
  expect(await stand.apply.trial(JOB)).toEqual(one)
  expect(stand.installation.trials).toHaveLength(1)
})

test('a job that is discarded in the middle of its trial ends it', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const begun = Promise.withResolvers<void>()
  stand.installation.whileTrying = (signal) => {
    begun.resolve()
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('unwanted'))),
    )
  }
  const answered = stand.apply.trial(JOB).catch((error: unknown) => error)
  await begun.promise
  await stand.apply.discard(JOB)
  expect(await answered).toMatchObject({ code: 'apply-failed' })
  expect(stand.leftovers).toEqual([])
})

test('what was to be tried is not activated without, whatever the hub asks', async () => {
  const before = stand.live
  await stand.stage(await stand.order({ isTried: true }))
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'trial-failed' })
  expect(stand.live).toEqual(before)
  expect(stand.leftovers).toEqual([])
  expect(stand.manager.stateOf(stand.place.home)).toEqual({ running: true, masked: false })
  await expect(stand.apply.trial(JOB)).rejects.toMatchObject({ code: 'trial-failed' })
})

test('a trial that was cut off, and asked for no more, does not count; one that ended does', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  await stand.apply.trial(JOB)
  stand.restart()
  await stand.apply.recover()
  expect(await stand.activate()).toMatchObject({ spoke: true })

  const job = '1c'.repeat(16)
  await stand.stage(await stand.order({ job, isTried: true }), { job })
  stand.installation.whileTrying = () => new Promise(() => {})
  void stand.apply.trial(job)
  await vi.waitUntil(() => stand.leftovers.some((line) => line.includes('made-by-a-start')))
  stand.restart()
  await stand.apply.recover()
  expect(await stand.activate(job)).toMatchObject({ spoke: false, code: 'trial-failed' })
})

test('an agent that was killed in the middle leaves nothing of a trial when it starts again', async () => {
  await stand.stage(await stand.order({ isTried: true }))
  const staged = stand.leftovers
  const begun = Promise.withResolvers<void>()
  stand.installation.whileTrying = () => {
    begun.resolve()
    return new Promise(() => {})
  }
  void stand.apply.trial(JOB)
  await begun.promise
  expect(recordOf(stand).state).toBe('staged')
  expect(stand.leftovers.some((line) => line.includes('.ocm-trial-'))).toBe(true)
  stand.restart()
  await stand.apply.recover()
  expect(stand.leftovers).toEqual(staged)
  await expect(stand.apply.trial(JOB)).rejects.toMatchObject({ code: 'job-cut-off' })
  expect(stand.leftovers).toEqual([])
})
