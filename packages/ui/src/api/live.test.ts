import type { ApiClient } from '@ocm/operator'
import type { Job } from '@ocm/protocol'
import { QueryClient, QueryObserver } from '@tanstack/vue-query'
import { expect, test } from 'vitest'
import { applyEvent, followHub, withJob } from './live.ts'
import { KEYS } from './queries.ts'

const job = (id: string, more: Partial<Job> = {}): Job => ({
  id,
  kind: 'backup',
  state: 'running',
  node: 'n',
  source: null,
  snapshot: null,
  steps: [],
  error: null,
  createdAt: 0,
  startedAt: 0,
  endedAt: null,
  createdBy: 'ada',
  downtimeMs: null,
  inventoryEqual: null,
  ...more,
})

const isStale = (queries: QueryClient, key: readonly string[]) =>
  queries.getQueryState(key)?.isInvalidated === true

const ignore = () => undefined

function kept() {
  const queries = new QueryClient()
  queries.setQueryData(KEYS.nodes, [])
  queries.setQueryData(KEYS.snapshotsOf('n'), [])
  queries.setQueryData(KEYS.tickets, [])
  queries.setQueryData(KEYS.jobs, [job('a')])
  return queries
}

test('what was fetched before the hub tells of changes is fetched again, at the first connection too', () => {
  const queries = kept()
  let connect: () => void = ignore
  const live: ApiClient['live'] = (told) => {
    connect = () => told.onConnect?.()
    return ignore
  }
  followHub({ live }, queries, ignore)
  expect(isStale(queries, KEYS.nodes)).toBe(false)
  connect()
  expect(isStale(queries, KEYS.nodes)).toBe(true)
})

test('a change that comes while something is fetched for the first time is not lost', async () => {
  const queries = new QueryClient()
  const answers: ((nodes: string) => void)[] = []
  const shown = new QueryObserver(queries, {
    queryKey: KEYS.nodes,
    queryFn: () => new Promise<string>((resolve) => answers.push(resolve)),
  })
  const stop = shown.subscribe(ignore)
  applyEvent(queries, { kind: 'node-changed', node: 'n' }, ignore)
  answers[0]?.('as it was')
  await expect.poll(() => answers.length).toBe(2)
  answers[1]?.('as it is')
  await expect.poll(() => queries.getQueryData(KEYS.nodes)).toBe('as it is')
  stop()
})

test('a new snapshot makes the lists of snapshots and of nodes stale, and nothing else', () => {
  const queries = kept()
  applyEvent(queries, { kind: 'snapshot-created', node: 'n', snapshot: 's' }, ignore)
  expect(isStale(queries, KEYS.snapshotsOf('n'))).toBe(true)
  expect(isStale(queries, KEYS.nodes)).toBe(true)
  expect(isStale(queries, KEYS.tickets)).toBe(false)
})

test('snapshots that were pruned, pinned or found damaged show at once, wherever they are shown', () => {
  const queries = kept()
  queries.setQueryData(KEYS.snapshot('s'), {})
  queries.setQueryData(KEYS.prune, {})
  applyEvent(queries, { kind: 'snapshots-changed', node: 'n' }, ignore)
  expect(isStale(queries, KEYS.snapshotsOf('n'))).toBe(true)
  expect(isStale(queries, KEYS.snapshot('s'))).toBe(true)
  expect(isStale(queries, KEYS.prune)).toBe(true)
  expect(isStale(queries, KEYS.tickets)).toBe(false)
})

test('a used ticket shows at once', () => {
  const queries = kept()
  applyEvent(queries, { kind: 'ticket-used', ticket: 't', node: 'n' }, ignore)
  expect(isStale(queries, KEYS.tickets)).toBe(true)
})

test('a job is taken over as it comes, and told with what it was before', () => {
  const queries = kept()
  const told: unknown[] = []
  const done = job('a', { state: 'done' })
  applyEvent(queries, { kind: 'job-changed', job: done }, (...so) => told.push(so))
  expect(queries.getQueryData(KEYS.job('a'))).toEqual(done)
  expect(queries.getQueryData(KEYS.jobs)).toEqual([done])
  expect(told).toEqual([[done, job('a')]])
})

test('progress alone does not fetch the nodes again', () => {
  const queries = kept()
  applyEvent(queries, { kind: 'job-changed', job: job('a', { startedAt: 5 }) }, ignore)
  expect(isStale(queries, KEYS.nodes)).toBe(false)
})

test('a job that is new comes first', () => {
  expect(withJob([job('a')], job('b'))?.map(({ id }) => id)).toEqual(['b', 'a'])
})

test('a list that was never fetched is not made up from one job', () => {
  expect(withJob(undefined, job('a'))).toBe(undefined)
})
