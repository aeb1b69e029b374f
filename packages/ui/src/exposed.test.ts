import { expect, test } from 'vitest'
import { isExposed } from './exposed.ts'

const page = (text: string) => new URL(text) as unknown as Location

test('says that a page over plain http from elsewhere is exposed, and none of this machine or over TLS', () => {
  expect(isExposed(page('http://nas:8001/'), false)).toBe(true)
  expect(isExposed(page('http://10.0.0.9:8001/'), false)).toBe(true)
  expect(isExposed(page('http://127.0.0.1.example/'), false)).toBe(true)
  expect(isExposed(page('https://nas:8001/'), true)).toBe(false)
  for (const here of ['http://localhost:8001/', 'http://127.0.0.1:8001/', 'http://[::1]:8001/']) {
    expect(isExposed(page(here), false)).toBe(false)
    expect(isExposed(page(here), true)).toBe(true)
  }
})
