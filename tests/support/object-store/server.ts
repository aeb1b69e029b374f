/** The S3 server that tests use: one of their own, or the one that the environment names. */
import { randomBytes } from 'node:crypto'
import { AwsClient } from 'aws4fetch'
import { startRadosgw, type TestRadosgw, whyNoRadosgw } from './radosgw.ts'

const named = process.env['OCM_TEST_S3_ENDPOINT']

/** Why there is none here; undefined when there is. */
export const whyNoObjectStore = (): string | undefined =>
  named === undefined ? whyNoRadosgw() : undefined

/** What people of another program do in a bucket, by another client. */
export interface TestBucket {
  /** As `--packs-s3` takes it, without a prefix. */
  readonly url: string
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly keys: { readonly id: string; readonly secret: string }
  /** Undefined where the server is somebody else's. */
  readonly server: TestRadosgw | undefined
  /** Names of all objects that begin like this. */
  names(prefix: string): Promise<string[]>
  get(name: string): Promise<Buffer>
  put(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  removeBucket(): Promise<void>
  /** From now on what is written over or removed stays as a version. */
  keepVersions(): Promise<void>
  /** On the same server. */
  another(): Promise<TestBucket>
  /** Empties what this test has made, and ends the server if it is ours. */
  stop(): Promise<void>
}

export async function startBucket(): Promise<TestBucket> {
  const server = named === undefined ? await startRadosgw() : undefined
  const { endpoint, region, keys } = server ?? {
    endpoint: named ?? '',
    region: process.env['OCM_TEST_S3_REGION'] ?? 'us-east-1',
    keys: {
      id: process.env['OCM_TEST_S3_KEY_ID'] ?? '',
      secret: process.env['OCM_TEST_S3_SECRET'] ?? '',
    },
  }
  const bucket = process.env['OCM_TEST_S3_BUCKET']
  return bucketOn({ server, endpoint, region, keys }, bucket)
}

async function bucketOn(
  on: Pick<TestBucket, 'server' | 'endpoint' | 'region' | 'keys'>,
  given?: string,
): Promise<TestBucket> {
  const { server, endpoint, region, keys } = on
  const bucket = given ?? `ocm-${randomBytes(4).toString('hex')}`
  const client = new AwsClient({
    accessKeyId: keys.id,
    secretAccessKey: keys.secret,
    service: 's3',
    region,
  })
  const ask = async (method: string, path: string, body?: Uint8Array) => {
    const init = { method, ...(body && { body: body as Uint8Array<ArrayBuffer> }) }
    const answer = await client.fetch(`${endpoint}/${bucket}${path}`, init)
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const made = new Set<string>()
  const names = async (prefix: string) => {
    const found: string[] = []
    for (let after = ''; ;) {
      const query = new URLSearchParams({ 'list-type': '2', prefix, 'start-after': after })
      const text = await (await ask('GET', `?${query}`)).text()
      const page = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, name = '']) => name)
      found.push(...page)
      if (page.length === 0) return found
      after = page.at(-1) ?? ''
    }
  }
  if (given === undefined) await ask('PUT', '')
  return {
    url: `${endpoint}/${bucket}`,
    endpoint,
    bucket,
    region,
    keys,
    server,
    names: (prefix) => {
      made.add(prefix)
      return names(prefix)
    },
    get: async (name) => Buffer.from(await (await ask('GET', `/${name}`)).arrayBuffer()),
    put: async (name, bytes) => void (await ask('PUT', `/${name}`, bytes)),
    remove: async (name) => void (await ask('DELETE', `/${name}`)),
    removeBucket: async () => void (await ask('DELETE', '')),
    keepVersions: async () => {
      const wish = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
      await ask('PUT', '?versioning', Buffer.from(wish))
    },
    another: () => bucketOn(on),
    async stop() {
      await server?.stop()
      if (server) return
      for (const prefix of made) {
        for (const name of await names(prefix)) await ask('DELETE', `/${name}`)
      }
    },
  }
}
