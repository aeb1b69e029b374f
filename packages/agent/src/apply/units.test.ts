import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Entry, type Plan, utf8 } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkSpace, placeEntries, stagedAt, unitsFor } from './units.ts'

let dir = ''
let home = ''
beforeEach(() => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-units-')))
  home = path.join(dir, 'home')
  mkdirSync(home)
})
afterEach(() => rmSync(dir, { recursive: true }))

const entry = (root: string, inside: string, more: Partial<Entry> = {}): Entry => ({
  root,
  path: utf8(inside),
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: 1,
  ...more,
})
const planTo = (
  roots: Record<string, string>,
  kind: Plan['kind'] = 'move',
): Pick<Plan, 'kind' | 'rules' | 'roots'> => {
  const places = Object.entries({ home, ...roots })
  return {
    kind,
    roots: places.map(([root, to]) => ({ root, from: `/src/${root}`, to })),
    rules: places.map(([root, becomes]) => ({ root, was: `/src/${root}`, becomes })),
  }
}
async function unitsOf(entries: readonly Entry[], roots: Record<string, string>) {
  const plan = planTo(roots)
  const own = path.join(dir, 'agent')
  return unitsFor(placeEntries({ entries }, plan), plan, own, { stage: 'S', before: 'B' })
}
const targets = async (...given: Parameters<typeof unitsOf>) =>
  (await unitsOf(...given)).map(({ target }) => target.slice(home.length + 1)).toSorted()

test('each root is a unit, roots inside one another are one, a root without entries is none', async () => {
  const roots = {
    state: `${home}/app`,
    'workspace:main': `${home}/app/work`,
    'workspace:other': `${home}/other`,
    'extra:gone': `${home}/gone`,
  }
  mkdirSync(roots['workspace:main'], { recursive: true })
  const entries = [
    entry('state', 'config'),
    entry('workspace:main', 'notes'),
    entry('workspace:other', 'notes'),
  ]
  expect(await targets(entries, roots)).toEqual(['app', 'other'])
})

test('of the home directory only what the snapshot has there is renamed, never the home itself', async () => {
  const entries = [
    entry('home', '', { kind: 'directory' }),
    entry('home', '.config/tool', { kind: 'directory' }),
    entry('home', '.config/tool/key'),
    entry('home', '.profile'),
  ]
  mkdirSync(`${home}/.config`)
  expect(await targets(entries, {})).toEqual(['.config/tool', '.profile'])
})

test('where directories above are missing, the topmost missing one is the unit', async () => {
  const roots = { 'workspace:a': `${home}/deep/er/a`, 'workspace:b': `${home}/deep/b` }
  const entries = [entry('workspace:a', 'x'), entry('workspace:b', 'x')]
  const units = await unitsOf(entries, roots)
  expect(units.map(({ live }) => live)).toEqual([`${home}/deep`])
  expect(stagedAt(units, `${home}/deep/er/a/x`)).toBe(`${home}/deep.ocm-stage-S/er/a/x`)
  expect(stagedAt(units, '/elsewhere')).toBe('/elsewhere')
})

test('a root that is a link is replaced where it points, and the link stays', async () => {
  mkdirSync(`${dir}/disk/app`, { recursive: true })
  symlinkSync(`${dir}/disk/app`, `${home}/app`)
  const [unit] = await unitsOf([entry('state', 'config')], { state: `${home}/app` })
  expect(unit).toMatchObject({
    target: `${home}/app`,
    live: `${dir}/disk/app`,
    stage: `${dir}/disk/app.ocm-stage-S`,
    before: `${dir}/disk/app.ocm-before-B`,
  })
})

const refused = (...given: Parameters<typeof unitsOf>) =>
  unitsOf(...given).catch((error: unknown) => error)
const why = (reason: string) => ({ code: 'plan-blocked', facts: { why: reason } })

test('what cannot be renamed, or would take too much along, is refused beforehand', async () => {
  const work = [entry('workspace:main', 'x')]
  expect(await refused(work, { 'workspace:main': home })).toMatchObject(why('home-inside'))
  expect(await refused(work, { 'workspace:main': '/proc' })).toMatchObject(why('mount-point'))
  const around = { 'workspace:main': `${dir}/agent` }
  expect(await refused(work, around)).toMatchObject(why('agent-inside'))
  mkdirSync(`${home}/real/inner`, { recursive: true })
  symlinkSync(`${home}/real/inner`, `${home}/link`)
  const both = [entry('workspace:main', 'x'), entry('state', 'y')]
  const overlapping = { 'workspace:main': `${home}/real`, state: `${home}/link` }
  expect(await refused(both, overlapping)).toMatchObject(why('roots-overlap'))
  writeFileSync(`${home}/file`, '')
  const below = { 'workspace:main': `${home}/file/x` }
  expect(await refused(work, below)).toMatchObject({ code: 'plan-blocked' })
})

test('what stays behind in this kind of apply is not placed', () => {
  const entries = (['always', 'identity', 'host', 'never'] as const).map((travel) =>
    entry('state', travel, { travel }),
  )
  const placed = (kind: Plan['kind'], roots: Record<string, string>) =>
    placeEntries({ entries }, planTo(roots, kind)).map(({ entry: { travel } }) => travel)
  const state = { state: `${home}/app` }
  expect(placed('move', state)).toEqual(['always', 'identity'])
  expect(placed('clone', state)).toEqual(['always'])
  expect(placed('restore', state)).toEqual(['always', 'identity'])
  expect(placed('move', {})).toEqual([])
})

test('the disk is asked before anything is written', async () => {
  const entries = [entry('state', 'small')]
  const plan = planTo({ state: `${home}/app` })
  const placed = placeEntries({ entries }, plan)
  const units = await unitsFor(placed, plan, '/agent', { stage: 'S', before: 'B' })
  await checkSpace(units, placed)
  const huge = placed.map((one) => ({ ...one, entry: { ...one.entry, size: 1e16 } }))
  await expect(checkSpace(units, huge)).rejects.toMatchObject({ code: 'disk-full' })
})
