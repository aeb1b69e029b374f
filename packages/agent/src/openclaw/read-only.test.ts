import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { discover } from './discovery.ts'
import { isReadOnly } from './read-only.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'ocm-read-only-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const where = (env = {}) => discover({ home, env, agentStateDir: path.join(home, 'agent') })

function unit(text: string): void {
  const folder = path.join(home, '.config/systemd/user')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'openclaw-gateway.service'), `[Service]\n${text}\n`)
}

test('is said by the environment of this process or by the unit of the gateway', () => {
  expect(isReadOnly(where())).toBe(false)
  expect(isReadOnly(where({ OPENCLAW_NIX_MODE: '1' }))).toBe(true)
  unit('Environment="OPENCLAW_NIX_MODE=0"\nEnvironment=HOME=/x OPENCLAW_NIX_MODE=10')
  expect(isReadOnly(where())).toBe(false)
  unit('Environment=HOME=/x OPENCLAW_CONFIG_READONLY=1 PATH=/bin')
  expect(isReadOnly(where())).toBe(true)
  unit('Environment="OPENCLAW_NIX_MODE=1"')
  expect(isReadOnly(where())).toBe(true)
})
