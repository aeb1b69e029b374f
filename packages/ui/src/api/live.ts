/** Applies the hub's live events to what is kept: a job is taken over as it comes, everything else is fetched again. */
import type { ApiClient } from '@ocm/operator'
import { type Job, type LiveEvent, isFinal } from '@ocm/protocol'
import type { QueryClient } from '@tanstack/vue-query'
import { type Ref, ref } from 'vue'
import type { LiveState } from '../live-state.ts'
import { KEYS } from './queries.ts'

export interface LiveFeed {
  readonly state: Ref<LiveState>
  stop(): void
}

export function followHub(
  client: Pick<ApiClient, 'live'>,
  queries: QueryClient,
  onJob: (job: Job, before: Job | undefined) => void,
): LiveFeed {
  const state = ref<LiveState>('connecting')
  const stop = client.live({
    onConnect: () => {
      // What was missed has to be fetched: since the last connection, or, at the first, while the page was loading.
      fetchAgain(queries)
      state.value = 'live'
    },
    onLost: () => (state.value = 'lost'),
    onEvent: (event) => applyEvent(queries, event, onJob),
  })
  return { state, stop }
}

export function applyEvent(
  queries: QueryClient,
  event: LiveEvent,
  onJob: (job: Job, before: Job | undefined) => void,
): void {
  const refetch = (queryKey: readonly string[]) => fetchAgain(queries, queryKey)
  switch (event.kind) {
    case 'node-changed':
      return refetch(KEYS.nodes)
    case 'snapshot-created':
      refetch(KEYS.snapshots)
      return refetch(KEYS.nodes)
    case 'snapshots-changed':
      refetch(KEYS.snapshots)
      refetch(KEYS.anySnapshot)
      return refetch(KEYS.storage)
    case 'keeping-changed':
      return refetch(KEYS.storage)
    case 'lease-changed':
      refetch(KEYS.leases)
      return refetch(KEYS.nodes)
    case 'ticket-used':
      refetch(KEYS.tickets)
      return refetch(KEYS.nodes)
    case 'job-changed': {
      const { job } = event
      const known = queries.getQueryData<Job[]>(KEYS.jobs)
      const before = known?.find((one) => one.id === job.id)
      queries.setQueryData<Job[]>(KEYS.jobs, (jobs) => withJob(jobs, job))
      queries.setQueryData(KEYS.job(job.id), job)
      if (before?.state !== job.state) {
        refetch(KEYS.nodes)
        if (isFinal(job.state)) refetch(KEYS.jobLog(job.id))
      }
      return onJob(job, before)
    }
  }
}

/**
 * What is being fetched for the first time is not broken off, and may have been answered before what changed: it is fetched
 * once more behind that.
 * @param queryKey of all that begin so; everything without it
 */
function fetchAgain(queries: QueryClient, queryKey: readonly string[] = []): void {
  const first = queries
    .getQueryCache()
    .findAll({ queryKey, fetchStatus: 'fetching' })
    .filter(({ state }) => state.data === undefined)
  void queries.invalidateQueries({ queryKey })
  for (const query of first) {
    const behind = () => queries.invalidateQueries({ queryKey: query.queryKey, exact: true })
    // Whoever asked for it hears of a failure.
    query.promise?.then(behind, () => undefined)
  }
}

/** Newest first, as the hub lists them. Undefined stays so: a list of one would pass for the whole. */
export function withJob(jobs: readonly Job[] | undefined, job: Job): Job[] | undefined {
  if (jobs === undefined) return undefined
  return jobs.some((one) => one.id === job.id)
    ? jobs.map((one) => (one.id === job.id ? job : one))
    : [job, ...jobs]
}
