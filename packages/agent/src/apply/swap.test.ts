import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Layout } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Installation } from '../installation.port.ts'
import { dependenciesFor } from '../openclaw/dependencies.ts'
import { planSwap } from './swap.ts'
import type { Unit } from './units.ts'

let home = ''
beforeEach(() => {
  home = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-swap-')))
})
afterEach(() => rmSync(home, { recursive: true }))

const unit = (name: string): Unit => ({
  target: `${home}/${name}`,
  live: `${home}/${name}`,
  stage: `${home}/${name}.stage`,
  before: `${home}/${name}.before`,
})
const put = (name: string) => {
  mkdirSync(path.dirname(`${home}/${name}`), { recursive: true })
  writeFileSync(`${home}/${name}`, '')
}
async function plan(
  units: readonly Unit[],
  regenerable: readonly string[] = [],
  regenerableInside: NonNullable<Installation['regenerableInside']> = async () => [],
) {
  const was = { roots: { home, state: `${home}/app` } } as unknown as Layout
  const renames = await planSwap({ units, job: 'J' }, was, { regenerable, regenerableInside })
  return renames.map(({ from, to }) => `${path.relative(home, from)} > ${path.relative(home, to)}`)
}

test('all that is live goes aside before anything takes its place; what is not there does not', async () => {
  put('app/config')
  put('app.stage/config')
  put('work.stage/notes')
  expect(await plan([unit('app'), unit('work')])).toEqual([
    'app > app.before',
    'app.stage > app',
    'work.stage > work',
  ])
})

test('what is made anew is carried over, unless the snapshot has something of that name', async () => {
  for (const name of ['cache/page', 'logs/line', 'npm/package']) put(`app/${name}`)
  put('app.stage/npm/other')
  expect(await plan([unit('app')], ['cache', 'logs', 'npm', 'tools', 'deep/er'])).toEqual([
    'app > app.before',
    'app.before/cache > app.stage/cache',
    'app.before/logs > app.stage/logs',
    'app.stage > app',
  ])
})

const declare = (name: string, version: string) =>
  writeFileSync(`${home}/${name}/package.json`, JSON.stringify({ name: 'x', version }))

test('what a package manager has put beside a plugin is carried over to the same plugin, to no other', async () => {
  for (const plugin of ['same', 'newer', 'gone', 'own', 'part/inner']) {
    put(`app/extensions/${plugin}/node_modules/dependency/index.js`)
    declare(`app/extensions/${plugin}`, '1.0.0')
    if (plugin === 'gone') continue
    put(`app.stage/extensions/${plugin}/index.js`)
    declare(`app.stage/extensions/${plugin}`, plugin === 'newer' ? '2.0.0' : '1.0.0')
  }
  put('app.stage/extensions/own/node_modules/of-the-snapshot')
  const carriedOver = await plan([unit('app')], [], async (live, fresh) =>
    dependenciesFor(live, fresh),
  )
  expect(carriedOver).toEqual([
    'app > app.before',
    'app.before/extensions/part/inner/node_modules > app.stage/extensions/part/inner/node_modules',
    'app.before/extensions/same/node_modules > app.stage/extensions/same/node_modules',
    'app.stage > app',
  ])
})

test('what SQLite keeps beside a database that is replaced by itself goes aside with it', async () => {
  for (const name of ['data.sqlite', 'data.sqlite-wal', 'data.sqlite-shm', 'data.sqlite.stage']) {
    put(name)
  }
  expect(await plan([unit('data.sqlite')])).toEqual([
    'data.sqlite > data.sqlite.before',
    'data.sqlite-wal > data.sqlite.before-wal',
    'data.sqlite-shm > data.sqlite.before-shm',
    'data.sqlite.stage > data.sqlite',
  ])
})

test('the tombstone of a node that comes back goes aside with what it stood for', async () => {
  put('app.stage/config')
  put('app.ocm-fenced.json')
  expect(await plan([unit('app')])).toEqual([
    'app.ocm-fenced.json > app.ocm-fenced.json.ocm-before-J',
    'app.stage > app',
  ])
})
