import type { Job } from '@ocm/protocol'
import { expect, test, vi } from 'vitest'
import type { Publish } from '../events.ts'
import type { StoredJob } from './ports.ts'
import { settle } from './settle.ts'

test('what is not owed any more is saved and told, once', async () => {
  let stored = { job: { id: 'move', unfenced: 'owed' } as Job } as StoredJob
  const jobs = {
    job: () => Promise.resolve(stored),
    saveJob: (next: StoredJob) => Promise.resolve(void (stored = next)),
  }
  const publish = vi.fn<Publish>()
  expect(await settle({ jobs, publish }, 'move', {}, 'attested')).toBe(true)
  expect(stored.job.unfenced).toBe('attested')
  expect(publish.mock.calls).toEqual([[{ kind: 'job-changed', job: stored.job }]])
  expect(await settle({ jobs, publish }, 'move', {}, 'fenced')).toBe(false)
  expect(stored.job.unfenced).toBe('attested')
  expect(publish).toHaveBeenCalledOnce()
})
