import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readBucketKeys } from './keys.ts'
import { readBucketPlace, writeBucketPlace } from './place.ts'

test.each([
  ['https://s3.example.net/packs', 'https://s3.example.net', 'packs', ''],
  ['https://s3.example.net:9000/packs/', 'https://s3.example.net:9000', 'packs', ''],
  ['http://127.0.0.1:3900/my-packs/hubs/one', 'http://127.0.0.1:3900', 'my-packs', 'hubs/one/'],
])('%s names a bucket', (text, endpoint, bucket, prefix) => {
  const place = readBucketPlace(text, 'eu-1')
  expect(place).toEqual({ endpoint, bucket, prefix, region: 'eu-1' })
  expect(readBucketPlace(writeBucketPlace(place), 'eu-1')).toEqual(place)
})

test.each([
  ['s3://packs', 'takes an address'],
  ['packs', 'takes an address'],
  ['https://s3.example.net', 'name of a bucket'],
  ['https://s3.example.net/', 'name of a bucket'],
  ['https://s3.example.net//packs', 'name of a bucket'],
  ['https://s3.example.net/packs/a b', 'prefix'],
  ['https://s3.example.net/packs//deep', 'prefix'],
  ['https://id:secret@s3.example.net/packs', 'without keys'],
  ['https://s3.example.net/packs?x=1', 'without keys'],
])('%s is refused', (text, words) => {
  expect(() => readBucketPlace(text, 'eu-1')).toThrow(words)
})

describe('keys', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/ocm-keys-`)
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  const file = async (text: string, mode = 0o600) => {
    await writeFile(`${folder}/keys`, text)
    await chmod(`${folder}/keys`, mode)
    return `${folder}/keys`
  }

  test.each([
    'AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two\n',
    '[default]\naws_access_key_id = one\r\naws_secret_access_key = two',
    'export AWS_ACCESS_KEY_ID=one\nexport AWS_SECRET_ACCESS_KEY=two\n',
  ])('are read from a file such as %j', async (text) => {
    expect(readBucketKeys(await file(text), { AWS_ACCESS_KEY_ID: 'other' })).toEqual({
      id: 'one',
      secret: 'two',
    })
  })

  test('are not read from a file that others can read', async () => {
    const path = await file('AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two\n', 0o640)
    expect(() => readBucketKeys(path, {})).toThrow('Others can read')
  })

  test('come from the environment, or from files that it names', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'one', AWS_SECRET_ACCESS_KEY: 'two', AWS_SESSION_TOKEN: 't' }
    expect(readBucketKeys(undefined, env)).toEqual({ id: 'one', secret: 'two', token: 't' })
    const named = { AWS_ACCESS_KEY_ID: 'one', AWS_SECRET_ACCESS_KEY_FILE: await file('two\n') }
    expect(readBucketKeys(undefined, named)).toEqual({ id: 'one', secret: 'two' })
  })

  test.each([
    {},
    { AWS_ACCESS_KEY_ID: 'one' },
    { AWS_ACCESS_KEY_ID: 'one', AWS_SECRET_ACCESS_KEY: '' },
  ])('are asked for where there is only %j', (env) => {
    expect(() => readBucketKeys(undefined, env)).toThrow('needs AWS_ACCESS_KEY_ID and')
  })

  test('are missed by name where their file is not there', () => {
    const env = { AWS_ACCESS_KEY_ID_FILE: `${folder}/none` }
    expect(() => readBucketKeys(undefined, env)).toThrow('AWS_ACCESS_KEY_ID_FILE names cannot be')
  })
})
