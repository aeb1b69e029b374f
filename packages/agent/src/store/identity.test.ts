import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { createIdentity, readIdentity } from './identity.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-identity-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const refused = (code: string) => expect.objectContaining({ code })

test('a node keeps the keys it made, for its owner alone', async () => {
  expect(await readIdentity(p, dir)).toBeUndefined()
  const made = await createIdentity(p, dir)
  expect(await readIdentity(p, dir)).toEqual(made)
  expect((await stat(join(dir, 'identity'))).mode & 0o777).toBe(0o600)
})

test('keys are not made twice', async () => {
  const made = await createIdentity(p, dir)
  await expect(createIdentity(p, dir)).rejects.toEqual(refused('already-enrolled'))
  expect(await readIdentity(p, dir)).toEqual(made)
})

test.each([0o640, 0o604, 0o700, 0o660])('keys in a file of mode %o are not used', async (mode) => {
  await createIdentity(p, dir)
  await chmod(join(dir, 'identity'), mode)
  await expect(readIdentity(p, dir)).rejects.toEqual(refused('keys-exposed'))
})

test('a damaged file is an error and not a new identity', async () => {
  await writeFile(join(dir, 'identity'), 'x', { mode: 0o600 })
  await expect(readIdentity(p, dir)).rejects.toEqual(refused('malformed'))
  await expect(createIdentity(p, dir)).rejects.toEqual(refused('malformed'))
})
