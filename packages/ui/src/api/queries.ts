/** What the hub knows, kept fresh: the live socket says what changed, and that is fetched again. */
import { useQuery } from '@tanstack/vue-query'
import { type MaybeRefOrGetter, computed, toValue } from 'vue'
import { useClient } from './client.ts'

export const KEYS = {
  setup: ['setup'],
  me: ['me'],
  nodes: ['nodes'],
  tickets: ['tickets'],
  snapshots: ['snapshots'],
  snapshotsOf: (node: string) => ['snapshots', node],
  anySnapshot: ['snapshot'],
  snapshot: (id: string) => ['snapshot', id],
  storage: ['storage'],
  retention: ['storage', 'retention'],
  prune: ['storage', 'prune'],
  pruned: ['storage', 'pruned'],
  scrub: ['storage', 'scrub'],
  leases: ['leases'],
  jobs: ['jobs'],
  job: (id: string) => ['jobs', id],
  jobLog: (id: string) => ['jobs', id, 'log'],
} as const

export function useSetupState() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.setup, queryFn: client.setupState })
}

export function useMe() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.me, queryFn: client.me, staleTime: Number.POSITIVE_INFINITY })
}

export function useNodes() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.nodes, queryFn: client.nodes })
}

export function useTickets(enabled: MaybeRefOrGetter<boolean>) {
  const client = useClient()
  return useQuery({
    queryKey: KEYS.tickets,
    queryFn: client.tickets,
    enabled: computed(() => toValue(enabled)),
  })
}

/** Of every node, newest first. */
export function useAllSnapshots() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.snapshots, queryFn: () => client.snapshots() })
}

export function useSnapshots(node: MaybeRefOrGetter<string>) {
  const client = useClient()
  return useQuery({
    queryKey: computed(() => KEYS.snapshotsOf(toValue(node))),
    queryFn: () => client.snapshots(toValue(node)),
    enabled: computed(() => toValue(node) !== ''),
  })
}

export function useJobs() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.jobs, queryFn: () => client.jobs() })
}

export function useJob(id: MaybeRefOrGetter<string>) {
  const client = useClient()
  return useQuery({
    queryKey: computed(() => KEYS.job(toValue(id))),
    queryFn: () => client.job(toValue(id)),
    enabled: computed(() => toValue(id) !== ''),
  })
}

/** Credentials on loan, and those that were until an hour ago. */
export function useLeases() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.leases, queryFn: client.leases })
}

/** Sealed lines; only an opened vault reads them. */
export function useJobLog(id: MaybeRefOrGetter<string>) {
  const client = useClient()
  return useQuery({
    queryKey: computed(() => KEYS.jobLog(toValue(id))),
    queryFn: () => client.jobLog(toValue(id)),
    enabled: computed(() => toValue(id) !== ''),
  })
}

export function useSnapshot(id: MaybeRefOrGetter<string>) {
  const client = useClient()
  return useQuery({
    queryKey: computed(() => KEYS.snapshot(toValue(id))),
    queryFn: () => client.snapshot(toValue(id)),
  })
}

export function useRetention() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.retention, queryFn: client.retention })
}

export function usePrunePreview() {
  const client = useClient()
  return useQuery({ queryKey: KEYS.prune, queryFn: () => client.prunePreview() })
}

/** Of every node, those that can still be had back. */
export function usePruned() {
  const client = useClient()
  return useQuery({
    queryKey: KEYS.pruned,
    queryFn: async () => {
      const all = await client.snapshots(undefined, { pruned: true })
      return all.filter(({ prunedAt }) => prunedAt !== null)
    },
  })
}

const SCRUB_LOOK_MS = 1500

/** Looked at again while it runs: the hub sends no events of it. */
export function useScrub() {
  const client = useClient()
  return useQuery({
    queryKey: KEYS.scrub,
    queryFn: client.scrub,
    refetchInterval: (query) => (query.state.data?.running ? SCRUB_LOOK_MS : false),
  })
}
