import { readFile } from 'node:fs/promises'
import { base64url } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, expect, test } from 'vitest'
import { NAME, PASSWORD, TestHub } from '../testing/hub.ts'

let hub: TestHub
afterEach(() => hub.close())

test('closes for good: not a second time, not after a restart, and the link is gone', async () => {
  hub = await TestHub.open()
  const { secret } = hub
  expect(secret.length).toBeGreaterThanOrEqual(43)
  expect((await hub.call('GET', '/api/setup')).body.open).toBe(true)
  const first = await hub.setUp()
  expect(first.body).toEqual({ name: NAME, operator: hub.operator.id })
  expect((await hub.call('GET', '/api/me')).body.name).toBe(NAME)
  expect(hub.hub.setupLink).toBeUndefined()
  expect((await hub.setUp({ secret })).body.code).toBe('setup-closed')
  await expect(readFile(`${hub.data}/setup-link`)).rejects.toThrow('ENOENT')

  await hub.stop()
  await hub.restart()
  expect(hub.hub.setupLink).toBeUndefined()
  expect((await hub.setUp({ secret })).body.code).toBe('setup-closed')
  for (const path of ['/api/setup/', '//api/setup', '/api/SETUP', '/api%2fsetup']) {
    expect((await hub.call('POST', path, {})).status).toBe(404)
  }
})

test('prints the same link at each start until it is done, and keeps no secret in its log or catalog', async () => {
  hub = await TestHub.open()
  const { secret } = hub
  await hub.stop()
  await hub.restart()
  expect(hub.secret).toBe(secret)
  await hub.setUp()
  await hub.stop()
  const catalog = await hub.catalogBytes()
  for (const canary of [secret, PASSWORD, hub.cookie.split('=')[1] ?? '-']) {
    expect(hub.logged.join('')).not.toContain(canary)
    expect(Buffer.from(catalog).includes(canary)).toBe(false)
  }
  await hub.restart()
})

test('refuses a link that was guessed, and after some guesses refuses to listen', async () => {
  hub = await TestHub.open()
  const wrong = base64url(p.random(32))
  for (let n = 0; n < 10; n++) {
    expect((await hub.setUp({ secret: wrong })).body.code).toBe('setup-link-invalid')
  }
  expect((await hub.setUp()).status).toBe(429)
})

test('refuses a vault that is not the one its record is signed for, and one without both slots', async () => {
  hub = await TestHub.open()
  const another = base64url(p.ed25519Pair().public)
  expect((await hub.setUp({ root: another })).body.code).toBe('signature-invalid')
  const [passphrase] = hub.slots()
  expect((await hub.setUp({ slots: [passphrase, passphrase] })).body.code).toBe('malformed')
  expect((await hub.setUp({ slots: [passphrase] })).body.code).toBe('malformed')
  expect((await hub.call('GET', '/api/setup')).body.open).toBe(true)
})
