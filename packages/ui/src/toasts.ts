/** What is said in the corner about a job that ended while somebody looked at something else. */
import type { Job } from '@ocm/protocol'
import { problemOfJob } from './problem.ts'
import { isWarned } from './tones.ts'

type Say = (key: string, values: Record<string, unknown>) => string

export function jobToast(job: Job, title: string, say: Say) {
  const problem = problemOfJob(job)
  if (problem !== undefined) {
    return {
      title: say('toast.failed', { job: title }),
      description: `${problem.says} ${problem.next}`,
      color: 'error' as const,
      icon: 'i-lucide-circle-alert',
      duration: 15_000,
    }
  }
  if (isWarned(job)) {
    return {
      title: say('toast.warned', { job: title }),
      color: 'warning' as const,
      icon: 'i-lucide-triangle-alert',
    }
  }
  return job.state === 'cancelled'
    ? {
        title: say('toast.cancelled', { job: title }),
        color: 'neutral' as const,
        icon: 'i-lucide-circle-slash',
      }
    : {
        title: say('toast.done', { job: title }),
        color: 'success' as const,
        icon: 'i-lucide-circle-check',
      }
}
