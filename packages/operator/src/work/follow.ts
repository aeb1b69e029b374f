/** Watching a job until it ends, over lost connections. */
import {
  type Job,
  OcmError,
  fromBase64url,
  fromWireError,
  isFinal,
  openJobLog,
} from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { plainFacts } from '../api/facts.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'

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

/** Answers when `woken` does, at the latest after `ms`. */
export async function eitherOf(woken: Promise<void>, ms: number): Promise<void> {
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
  { vault, epochs }: Unlocked,
  id: string,
): Promise<readonly LogLine[]> {
  return (await api.jobLog(id)).map(({ at, sealed }) => ({
    at,
    text: openLine(fromBase64url(sealed), vault.epoch),
  }))

  /** A line does not say of which epoch it is. */
  function openLine(bytes: Uint8Array, epoch: number): string {
    try {
      return openJobLog(p, epochs.of(epoch), id, bytes)
    } catch (error) {
      const isOlder = error instanceof OcmError && error.code === 'seal-broken' && epoch > 1
      if (!isOlder) throw error
      return openLine(bytes, epoch - 1)
    }
  }
}
