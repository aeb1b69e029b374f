import { sealJobLog, base64url, type Job } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { expect, test } from 'vitest'
import { hasty, paperHub } from '../paper/hub.ts'
import { prepareSetup } from '../vault/setup.ts'
import { openVault } from '../vault/unlock.ts'
import { doneOrThrow, followJob, readJobLog } from './follow.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const ID = '1'.repeat(32)
const job = (more: Partial<Job>): Job => ({
  id: ID,
  kind: 'backup',
  state: 'queued',
  node: '0'.repeat(32),
  source: null,
  snapshot: null,
  steps: [],
  error: null,
  createdAt: 0,
  startedAt: null,
  endedAt: null,
  createdBy: 'olivia',
  downtimeMs: null,
  inventoryEqual: null,
  ...more,
})

test('tells each change of a job once, and ends with it', async () => {
  const hub = paperHub(p)
  hub.jobs.set(ID, job({ state: 'running' }))
  const states: string[] = []
  const last = await followJob(hub.ports.api, ID, (now) => {
    states.push(now.state)
    hub.jobs.set(ID, job({ state: 'done' }))
  })
  expect(states).toEqual(['running', 'done'])
  expect(doneOrThrow(last).state).toBe('done')
})

test('stops watching when it is told to, and leaves the job', async () => {
  const hub = paperHub(p)
  hub.jobs.set(ID, job({ state: 'waiting' }))
  const stop = new AbortController()
  const last = await followJob(hub.ports.api, ID, () => stop.abort(), { signal: stop.signal })
  expect(last.state).toBe('waiting')
})

test('a failed job throws the error that ended it, and names the job', () => {
  const failed = job({ state: 'failed', error: { code: 'disk-full', facts: { needBytes: 9 } } })
  expect(() => doneOrThrow(failed)).toThrow(
    expect.objectContaining({ code: 'disk-full', facts: { needBytes: 9, job: ID } }),
  )
  expect(() => doneOrThrow(job({ state: 'cancelled' }))).toThrow(
    expect.objectContaining({ code: 'job-cancelled' }),
  )
})

test("the log opens with the vault, and only under its own job's id", async () => {
  const hub = paperHub(p)
  const { request } = await prepareSetup(p, {
    name: 'olivia',
    password: 'login-of-olivia',
    passphrase: PASSPHRASE,
    hubKey: hub.vault.hubKey,
    now: 0,
  })
  hub.accept(request)
  const unlocked = await openVault(hub.ports, PASSPHRASE)
  const sealed = sealJobLog(p, unlocked.record.sealing, ID, 'swapped /home/ada')
  const other = '2'.repeat(32)
  for (const id of [ID, other]) hub.logs.set(id, [{ at: 5, sealed: base64url(sealed) }])
  expect(await readJobLog(hub.ports, unlocked, ID)).toEqual([{ at: 5, text: 'swapped /home/ada' }])
  await expect(readJobLog(hub.ports, unlocked, other)).rejects.toMatchObject({
    code: 'seal-broken',
  })
})
