import { afterEach, beforeEach, expect, test } from 'vitest'
import { NAME, PASSWORD, TestHub } from '../testing/hub.ts'

let hub: TestHub
let at = 1_000_000_000_000
beforeEach(async () => {
  hub = await TestHub.ready({ now: () => at })
  await hub.call('POST', '/api/logout', {})
})
afterEach(() => hub.close())

const login = (password: string, name = NAME) => hub.call('POST', '/api/login', { name, password })

test('answers a wrong name and a wrong password alike', async () => {
  const name = await login(PASSWORD, 'nobody')
  const password = await login('wrong password')
  expect(name.status).toBe(401)
  expect({ ...name.body, requestId: '' }).toEqual({ ...password.body, requestId: '' })
})

test('lets five guesses in, however many are sent at once, and opens again after a while', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => login('wrong password')))
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
  expect((await login(PASSWORD)).status).toBe(429)
  at += 61_000
  expect((await login(PASSWORD)).status).toBe(200)
})

test('ends a session at logout, after half an hour of silence and after half a day', async () => {
  await login(PASSWORD)
  const me = async () => (await hub.call('GET', '/api/me')).status
  expect(await me()).toBe(200)
  const { cookie } = hub
  await hub.call('POST', '/api/logout', {})
  hub.cookie = cookie
  expect(await me()).toBe(401)

  await login(PASSWORD)
  at += 29 * 60_000
  expect(await me()).toBe(200)
  at += 31 * 60_000
  expect(await me()).toBe(401)

  await login(PASSWORD)
  for (let n = 0; n < 26; n++) {
    at += 28 * 60_000
    if ((await me()) !== 200) break
  }
  expect(await me()).toBe(401)
})

test('takes a request without a body for one that says nothing', async () => {
  await login(PASSWORD)
  expect((await hub.call('POST', '/api/logout')).status).toBe(200)
  await login(PASSWORD)
  expect((await hub.call('POST', '/api/logout', { all: true })).status).toBe(400)
  await login(PASSWORD)
  expect((await hub.call('DELETE', `/api/tokens/${'a'.repeat(32)}`)).body.code).toBe('not-found')
})

test('takes an API token wherever a cookie goes, until it is removed', async () => {
  await login(PASSWORD)
  const { id, token } = (await hub.call('POST', '/api/tokens', { label: 'laptop' })).body
  expect((await hub.call('GET', '/api/tokens')).body).toEqual([
    { id, label: 'laptop', createdAt: at },
  ])
  const { cookie } = hub
  hub.cookie = ''
  const bearer = { authorization: `Bearer ${token}` }
  expect((await hub.call('GET', '/api/me', undefined, bearer)).body.name).toBe(NAME)
  hub.cookie = cookie
  expect((await hub.call('DELETE', `/api/tokens/${id}`)).status).toBe(200)
  hub.cookie = ''
  expect((await hub.call('GET', '/api/me', undefined, bearer)).status).toBe(401)
})
