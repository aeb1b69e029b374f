import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { discover } from './discovery.ts'
import { type Home, makeHome } from './home.fixture.ts'

const read = ({ home, at }: Home, env = {}) =>
  readConfig(discover({ home, env, agentStateDir: at('agent') }))

test('comments, includes and siblings of includes make one tree, variables stay as written', () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    `{ // a comment
    gateway: { port: 1 }, models: { $include: './models.json5', mode: 'own' },
    list: { $include: ['./one.json5', './two.json5'] }, }`,
  )
  home.write('.openclaw/models.json5', `{ mode: 'theirs', key: '\${MODEL_KEY}' }`)
  home.write('.openclaw/one.json5', `{ names: ['a'], both: { a: 1 } }`)
  home.write('.openclaw/two.json5', `{ names: ['b'], both: { b: 2 } }`)
  const { tree, files, problems } = read(home)
  expect(tree).toEqual({
    gateway: { port: 1 },
    models: { mode: 'own', key: '${MODEL_KEY}' },
    list: { names: ['a', 'b'], both: { a: 1, b: 2 } },
  })
  expect(files).toEqual(
    ['openclaw.json', 'models.json5', 'one.json5', 'two.json5'].map((name) =>
      home.at(`.openclaw/${name}`),
    ),
  )
  expect(problems).toEqual([])
})

test('an include that leads back to itself is cut, the rest is read', () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', `{ a: { $include: './loop.json5' }, b: 1 }`)
  home.write('.openclaw/loop.json5', `{ inner: { $include: './loop.json5' }, c: 2 }`)
  const { tree, problems } = read(home)
  expect(tree).toEqual({ a: { inner: {}, c: 2 }, b: 1 })
  expect(problems).toHaveLength(1)
})

test('includes are followed ten deep and no deeper', () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', `{ $include: './1.json5' }`)
  for (let n = 1; n <= 11; n++) {
    home.write(`.openclaw/${n}.json5`, `{ n${n}: true, next: { $include: './${n + 1}.json5' } }`)
  }
  const { files, problems } = read(home)
  expect(files).toHaveLength(11)
  expect(problems).toHaveLength(1)
})

test('an include outside the directory is refused, through a link too, unless its root is allowed', () => {
  const home = makeHome()
  home.write('outside/secret.json5', `{ reached: true }`)
  symlinkSync(home.at('outside/secret.json5'), home.at('.openclaw/link.json5'))
  home.write(
    '.openclaw/openclaw.json',
    `{ a: { $include: '../outside/secret.json5' }, b: { $include: './link.json5' } }`,
  )
  expect(read(home).tree).toEqual({ a: {}, b: {} })
  expect(read(home).problems).toHaveLength(2)
  const allowed = read(home, { OPENCLAW_INCLUDE_ROOTS: '~/outside' })
  expect(allowed.tree).toEqual({ a: { reached: true }, b: { reached: true } })
  expect(allowed.problems).toEqual([])
})

test('of a broken configuration the whole members are read, the others come from the last good one', () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    `{ gateway: { port: 7 }, // here it breaks:
       tools: { profile: 'unfinished }, agents: { entries: { main: { workspace: '/w' } } } }`,
  )
  home.write(
    '.openclaw/openclaw.json.bak',
    `{ gateway: { port: 1, bind: 'loopback' }, tools: { profile: 'full' } }`,
  )
  const { tree, problems } = read(home)
  expect(tree).toMatchObject({ gateway: { port: 7, bind: 'loopback' }, tools: { profile: 'full' } })
  expect(problems.length).toBeGreaterThan(0)
})

test('a missing configuration is a problem and an empty tree', () => {
  const { tree, files, problems } = read(makeHome())
  expect([tree, files, problems.length]).toEqual([{}, [], 1])
})
