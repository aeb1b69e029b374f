import { mkdirSync, symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { discover } from './discovery.ts'
import { type Home, makeDatabase, makeHome } from './home.fixture.ts'
import { findBinary, isDatabase } from './versions.ts'

const whereIn = ({ home, at }: Home, env = {}) =>
  discover({ home, env, agentStateDir: at('agent') })

function install(home: Home, directory: string, version: string): string {
  const schemaVersions = { state: 18, agent: 23 }
  home.write(
    `${directory}/openclaw/package.json`,
    JSON.stringify({ name: 'openclaw', version, openclaw: { schemaVersions } }),
  )
  home.write(`${directory}/openclaw/dist/index.js`, '')
  return home.write(`${directory}/openclaw/openclaw.mjs`, '')
}

test('the version is read from the package around the command, over links', () => {
  const home = makeHome()
  const script = install(home, 'lib/node_modules', '2026.9.6')
  mkdirSync(home.at('bin'))
  symlinkSync(script, home.at('bin/openclaw'))
  const expected = {
    path: home.at('bin/openclaw'),
    version: '2026.9.6',
    schemas: { state: 18, agent: 23 },
  }
  expect(findBinary(whereIn(home, { PATH: home.at('bin') }), undefined)).toEqual(expected)
  expect(findBinary(whereIn(home), home.at('bin/openclaw'))).toEqual(expected)
  expect(findBinary(whereIn(home), home.at('bin/other'))).toBeUndefined()
})

test('the command that the service runs goes before the one in PATH', () => {
  const home = makeHome()
  mkdirSync(home.at('bin'))
  symlinkSync(install(home, 'one', '1.0.0'), home.at('bin/openclaw'))
  install(home, 'two', '2.0.0')
  home.write(
    '.config/systemd/user/openclaw-gateway.service',
    `[Service]\nExecStart=/usr/bin/node --max-old-space-size=8192 ${home.at('two/openclaw/dist/index.js')} gateway --port 1\n`,
  )
  const found = findBinary(whereIn(home, { PATH: home.at('bin') }), undefined)
  expect(found).toMatchObject({ version: '2.0.0', path: home.at('two/openclaw/openclaw.mjs') })
})

test('a database is told by what it is, not by what it is called', () => {
  const home = makeHome()
  makeDatabase(home.at('x'), 'CREATE TABLE t (x)')
  home.write('y.sqlite', 'SQLite format')
  expect(isDatabase(home.at('x'))).toBe(true)
  expect(isDatabase(home.at('y.sqlite'))).toBe(false)
  expect(isDatabase(home.at('missing'))).toBe(false)
})
