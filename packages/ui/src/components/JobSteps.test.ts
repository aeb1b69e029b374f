// @vitest-environment happy-dom
import type { Job } from '@ocm/protocol'
import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { createI18n } from 'vue-i18n'
import { formatIn } from '../format.ts'
import en from '../locales/en.json'
import JobSteps from './JobSteps.vue'

const at = (phase: string) => {
  const step: Job['steps'][number] = {
    name: 'fence',
    state: 'running',
    phase,
    progress: { done: 0, total: 0, unit: 'items' },
    startedAt: 0,
    endedAt: null,
  }
  const job = { kind: 'move', steps: [step] } as unknown as Job
  return mount(JobSteps, {
    props: { job, source: 'ada', target: 'berta', now: 9000, format: formatIn('en') },
    global: {
      plugins: [createI18n({ legacy: false, locale: 'en', messages: { en } })],
      stubs: { UIcon: true, UProgress: true },
    },
  }).text()
}

test('how long a gateway may take to stop is said while it is stopped, and only then', () => {
  expect(at('stopping')).toContain('up to 330 s')
  expect(at('fencing')).not.toContain('330')
})
