// @vitest-environment happy-dom
import type { Finding } from '@ocm/protocol'
import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { createI18n } from 'vue-i18n'
import { formatIn } from '../format.ts'
import en from '../locales/en.json'
import FindingsList from './FindingsList.vue'

const show = (...findings: Finding[]) =>
  mount(FindingsList, {
    props: { findings, format: formatIn('en') },
    global: {
      plugins: [createI18n({ legacy: false, locale: 'en', messages: { en } })],
      stubs: { UIcon: true },
    },
  })

const texts = (shown: ReturnType<typeof show>) =>
  shown.findAll('[data-test=finding]').map((one) => one.text())

const stays = (root: string): Finding => ({
  code: 'root-stays',
  weight: 'warning',
  facts: { root, path: '/srv' },
})

test('what stands in the way comes before what is to be looked at', () => {
  const shown = show(stays('extra:a'), { code: 'same-node', weight: 'blocker', facts: {} })
  expect(shown.findAll('[data-test=finding]').map((one) => one.attributes('data-weight'))).toEqual([
    'blocker',
    'warning',
  ])
})

test('bytes among the facts are said as sizes', () => {
  const full: Finding = {
    code: 'disk-full',
    weight: 'blocker',
    facts: { needBytes: 5_000_000_000, freeBytes: 40_000_000, root: 'state' },
  }
  expect(texts(show(full))[0]).toContain('5 GB are needed for state')
})

test('the same advice is given once, behind the last of those it is for', () => {
  const [first, second] = texts(show(stays('extra:a'), stays('extra:b')))
  expect(first).not.toContain('Change it')
  expect(second).toContain('Change it')
})

test('a finding that only a newer library knows is shown all the same', () => {
  const unknown: Finding = { code: 'moon-full', weight: 'warning', facts: { phase: 4 } }
  expect(texts(show(unknown))).toEqual(['moon-full: phase 4'])
})
