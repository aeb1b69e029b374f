// @vitest-environment happy-dom
import type { Selection } from '@ocm/protocol'
import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { createI18n } from 'vue-i18n'
import en from '../locales/en.json'
import type { Parts } from '../parts.ts'
import PartsChoice from './PartsChoice.vue'

const parts: Parts = {
  personas: [{ id: 'work', name: 'work', of: '' }],
  cron: [{ id: '1', name: 'report', of: 'work' }],
  sections: [{ id: 'skills', name: '', of: '' }],
}
const show = (only: Selection | undefined) =>
  mount(PartsChoice, {
    props: { parts, only, targetLabel: 'attic' },
    global: { plugins: [createI18n({ legacy: false, locale: 'en', messages: { en } })] },
  })

test('everything is chosen until parts are wanted, and none of them at first', async () => {
  const shown = show(undefined)
  expect(shown.findAll('input[type=checkbox]')).toHaveLength(0)
  expect(shown.text()).toContain('attic keeps everything of its own')
  await shown.get('[data-test=parts-some] input').trigger('change')
  expect(shown.emitted('choose')).toEqual([[{}]])
  expect(show({}).find('[data-test=parts-none]').exists()).toBe(true)
})

test('a part is ticked by what the snapshot calls it; back to everything takes all ticks away', async () => {
  const shown = show({ sections: ['skills'] })
  expect(shown.find('[data-test=parts-none]').exists()).toBe(false)
  await shown.get('[data-test=part-personas-work]').trigger('change')
  await shown.get('[data-test=parts-all] input').trigger('change')
  expect(shown.emitted('choose')).toEqual([[{ sections: ['skills'], personas: ['work'] }], [null]])
})

test('what comes along with a chosen persona is ticked and cannot be taken away', () => {
  const job = show({ personas: ['work'] }).get<HTMLInputElement>('[data-test=part-cron-1]')
  expect([job.element.checked, job.element.disabled]).toEqual([true, true])
})
