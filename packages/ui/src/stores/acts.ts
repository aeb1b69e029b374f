/** What the pages about nodes do at the press of a button; a failure is said in the corner. */
import { useToast } from '@nuxt/ui/composables'
import type { NodeState, SnapshotState } from '@ocm/protocol'
import { useQueryClient } from '@tanstack/vue-query'
import { useRouter } from 'vue-router'
import { useClient } from '../api/client.ts'
import { withJob } from '../api/live.ts'
import { KEYS } from '../api/queries.ts'
import { problemOf } from '../problem.ts'

export function useActs() {
  const client = useClient()
  const queries = useQueryClient()
  const router = useRouter()
  const toast = useToast()

  function complain(error: unknown) {
    const { says, next, code } = problemOf(error)
    toast.add({
      title: says,
      description: `${next} (${code})`,
      color: 'error',
      icon: 'i-lucide-circle-alert',
    })
  }

  async function backUp(node: Pick<NodeState, 'id'>) {
    try {
      const job = await client.startJob({ kind: 'backup', node: node.id })
      queries.setQueryData(KEYS.job(job.id), job)
      queries.setQueryData(KEYS.jobs, (jobs: Parameters<typeof withJob>[0]) => withJob(jobs, job))
      await queries.invalidateQueries({ queryKey: KEYS.nodes })
    } catch (error) {
      complain(error)
    }
  }

  const apply = (
    kind: 'move' | 'clone' | 'restore',
    node: Pick<NodeState, 'id'>,
    snapshot?: string,
  ) =>
    router.push({
      name: 'move',
      query: { kind, source: node.id, ...(snapshot === undefined ? {} : { snapshot }) },
    })

  async function pin(snapshot: Pick<SnapshotState, 'id'>, pinned: boolean) {
    try {
      await (pinned ? client.pin(snapshot.id) : client.unpin(snapshot.id))
    } catch (error) {
      complain(error)
    }
    await queries.invalidateQueries({ queryKey: KEYS.snapshots })
    await queries.invalidateQueries({ queryKey: KEYS.snapshot(snapshot.id) })
  }

  return { backUp, apply, pin, complain }
}
