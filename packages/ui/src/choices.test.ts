import { defaultChoices } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { chooseAmong } from './choices.ts'

const withKind = (choices: ReturnType<typeof chooseAmong>) => ({
  ...choices,
  kind: 'move' as const,
})

test('a trial that is switched off and on again leaves the choices as they were', () => {
  const before = defaultChoices('move')
  const off = withKind(chooseAmong(before, { trial: false }))
  expect(off).toEqual({ ...before, trial: false })
  expect(withKind(chooseAmong(off, { prose: true }))).toEqual({ ...off, prose: true })
  expect(withKind(chooseAmong(off, { trial: true }))).toEqual(before)
})
