import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkPlace, notePlace, sqliteFile } from './place.ts'

let data: string
beforeEach(async () => {
  data = await mkdtemp(`${tmpdir()}/ocm-place-`)
})
afterEach(() => rm(data, { recursive: true, force: true }))

const refusal = (place: 'sqlite' | 'postgres') => {
  try {
    checkPlace(data, place)
    return 'none'
  } catch (error) {
    return (error as { facts: { where: string } }).facts.where
  }
}

test('a hub that is new may keep its catalog where it likes', () => {
  expect([refusal('sqlite'), refusal('postgres')]).toEqual(['none', 'none'])
})

test('one that has a file is not started on PostgreSQL', async () => {
  await writeFile(sqliteFile(data), '')
  await notePlace(data, 'sqlite')
  expect([refusal('sqlite'), refusal('postgres')]).toEqual(['none', 'sqlite'])
})

test('one that was on PostgreSQL is not started without', async () => {
  await notePlace(data, 'postgres')
  await notePlace(data, 'postgres')
  expect([refusal('sqlite'), refusal('postgres')]).toEqual(['postgres', 'none'])
})
