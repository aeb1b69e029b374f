import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { OcmError } from '@ocm/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCatalogUrl } from './catalog-url.ts'

const ADDRESS = 'postgres://ocm:hunter2@db.example.net/ocm?sslmode=verify-full'

let ground: string
let file: string
beforeAll(async () => {
  ground = await mkdtemp(`${tmpdir()}/ocm-catalog-url-`)
  file = `${ground}/catalog-url`
  await writeFile(file, `${ADDRESS}\n`, { mode: 0o600 })
})
afterAll(() => rm(ground, { recursive: true, force: true }))

function refusal(named: string | undefined, env: NodeJS.ProcessEnv = {}): OcmError {
  try {
    readCatalogUrl(named, env)
  } catch (error) {
    return error as OcmError
  }
  throw new Error('was taken')
}

test('is read from a file, from one that the environment names, or from the environment', () => {
  expect(readCatalogUrl(file, { OCM_CATALOG_URL: 'postgres://other/other' })).toBe(ADDRESS)
  expect(readCatalogUrl(undefined, { OCM_CATALOG_URL_FILE: file })).toBe(ADDRESS)
  expect(readCatalogUrl(undefined, { OCM_CATALOG_URL: ADDRESS })).toBe(ADDRESS)
  for (const env of [{}, { OCM_CATALOG_URL: '', OCM_CATALOG_URL_FILE: '' }]) {
    expect(readCatalogUrl(undefined, env)).toBeUndefined()
  }
})

test('a file that others can read is refused, but for one that is handed to a container', async () => {
  await chmod(file, 0o644)
  expect(refusal(file)).toMatchObject({
    code: 'secret-file-exposed',
    facts: { what: '--catalog-url-file' },
  })
  expect(readCatalogUrl(undefined, { OCM_CATALOG_URL_FILE: file })).toBe(ADDRESS)
  await chmod(file, 0o600)
})

test('what is no address of PostgreSQL is refused, and not repeated', () => {
  for (const url of ['mysql://ocm:hunter2@db/ocm', 'hunter2', 'postgres://ocm:hunter 2@db/ocm']) {
    const error = refusal(undefined, { OCM_CATALOG_URL: url })
    expect(error.code).toBe('wrong-use')
    expect(`${error.message} ${JSON.stringify(error.facts)}`).not.toContain('hunter')
  }
  expect(refusal(`${ground}/none`).code).toBe('wrong-use')
})
