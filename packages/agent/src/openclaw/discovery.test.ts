import { mkdirSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { tombstoneOf } from '../apply/tombstone.port.ts'
import { discover } from './discovery.ts'
import { makeHome } from './home.fixture.ts'

test('the state directory is named, pinned, of a profile, or the usual one, in this order', () => {
  const { home, at } = makeHome()
  const find = (env: object, more: object = {}) =>
    discover({ home, env: env as never, agentStateDir: at('agent'), ...more })
  expect(find({}).state).toBe(at('.openclaw'))
  expect(find({ OPENCLAW_PROFILE: 'ops' })).toMatchObject({
    state: at('.openclaw-ops'),
    profile: 'ops',
  })
  expect(find({ OPENCLAW_PROFILE: 'default' })).toMatchObject({
    state: at('.openclaw'),
    profile: '',
  })
  expect(find({ OPENCLAW_PROFILE: 'ops', OPENCLAW_STATE_DIR: '~/elsewhere' }).state).toBe(
    at('elsewhere'),
  )
  expect(find({ OPENCLAW_STATE_DIR: '~/elsewhere' }, { stateDir: at('named') }).state).toBe(
    at('named'),
  )
  expect(find({ OPENCLAW_CONFIG_PATH: '~/c.json5' }).config).toBe(at('c.json5'))
  expect(find({}).config).toBe(at('.openclaw/openclaw.json'))
})

test('OPENCLAW_HOME moves the home of the account, not one that was named', () => {
  const { home, at } = makeHome()
  const env = { HOME: home, OPENCLAW_HOME: at('inner') }
  expect(discover({ home, env, agentStateDir: at('agent') }).state).toBe(at('inner/.openclaw'))
  const named = discover({ home: at('named'), env, agentStateDir: at('agent') })
  expect(named.state).toBe(at('named/.openclaw'))
})

test('the directory of former days is used where there is no other', () => {
  const { home, at, write } = makeHome()
  write('.clawdbot/clawdbot.json', '{}')
  const find = () => discover({ home, agentStateDir: at('agent') })
  expect(find().state).toBe(at('.openclaw'))
  rmSync(at('.openclaw'), { recursive: true })
  expect(find()).toMatchObject({ state: at('.clawdbot'), config: at('.clawdbot/clawdbot.json') })
  mkdirSync(at('.openclaw'))
  expect(find().state).toBe(at('.openclaw'))
})

test('the tombstone of a fence lies beside the state directory', () => {
  expect(tombstoneOf('/home/a/.openclaw')).toBe('/home/a/.openclaw.ocm-fenced.json')
})
