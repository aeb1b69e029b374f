/** Watching a job until it ends, over lost connections. */
import { type Job, fromBase64url, fromWireError, isFinal, openJobLog } from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { plainFacts } from '../api/facts.ts'
import type { Ports, Unlocked } from '../vault/unlock.ts'

/** How often to ask although nothing was said: an event may be lost with its connection. */
const ASK_AGAIN_MS = 2000

export interface FollowOptions {
  /** Stops watching; the job goes on. */
  readonly signal?: AbortSignal
}

/**
 * @param onChange called with the job as it is and whenever it changed.
 * @returns the job in a final state, or as last seen when `signal` was raised.
 */
export async function followJob(
  api: ApiClient,
  id: string,
  onChange: (job: Job) => void = () => undefined,
  { signal }: FollowOptions = {},
): Promise<Job> {
  let wake: (() => void) | undefined
  const end = api.live({
    onConnect: () => wake?.(),
    onEvent: (event) => {
      if (event.kind === 'job-changed' && event.job.id === id) wake?.()
    },
  })
  signal?.addEventListener('abort', () => wake?.())
  try {
    let told = ''
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const job = await api.job(id)
      const text = JSON.stringify(job)
      if (text !== told) onChange(job)
      told = text
      if (isFinal(job.state) || signal?.aborted === true) return job
      await eitherOf(woken, ASK_AGAIN_MS)
    }
  } finally {
    end()
  }
}

async function eitherOf(woken: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  await Promise.race([
    woken,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    }),
  ])
  clearTimeout(timer)
}

/** @throws the error that ended the job, with the job's id among its facts. */
export function doneOrThrow(job: Job): Job {
  if (job.state === 'done') return job
  throw fromWireError({
    code: job.error?.code ?? (job.state === 'cancelled' ? 'job-cancelled' : 'internal'),
    facts: { ...plainFacts(job.error?.facts ?? {}), job: job.id },
  })
}

export interface LogLine {
  /** By the hub's clock. */
  readonly at: number
  readonly text: string
}

/** What the nodes of a job told operators. */
export async function readJobLog(
  { p, api }: Ports,
  { vault }: Unlocked,
  id: string,
): Promise<readonly LogLine[]> {
  return (await api.jobLog(id)).map(({ at, sealed }) => ({
    at,
    text: openJobLog(p, vault.sealing, id, fromBase64url(sealed)),
  }))
}
