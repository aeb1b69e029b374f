/** A hub that keeps packs in a bucket of a real S3 server, from set-up to what is left when the hub is gone. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import { gatewayPid } from './support/node-state.ts'
import { startBucket, type TestBucket, whyNoObjectStore } from './support/object-store/server.ts'
import { startPostgres, whyNoPostgres } from './support/postgres/server.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { askHub, operatorAt, PASSPHRASE, type RunningHub, startHub } from './support/programs.ts'
import { missingForReader, readStore } from './support/second-reader.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

const PORT = 28_957
const why = whyNoObjectStore()
const PREFIX = `hub-${randomBytes(3).toString('hex')}`

interface Job {
  readonly snapshot: string
  readonly warnings: number
  readonly state: string
}
interface Verified {
  readonly whole: readonly string[]
}
interface Scrub {
  readonly damage: readonly { readonly pack: string; readonly kind: string }[]
}

/** Path of a file with this line in it. */
function written(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), `${text}\n`)
  return join(folder, name)
}

/** What a hub says that is to be started like this. */
async function started(data: string, more: readonly string[]): Promise<string> {
  try {
    await (await startHub(data, { more })).stop()
    return 'started'
  } catch (error) {
    return String(error)
  }
}

let bucket: TestBucket
beforeAll(async () => {
  if (why === undefined) bucket = await startBucket()
})
afterAll(() => bucket?.stop())

/** Below the prefix, without what only says that it can be written. */
const names = async () =>
  (await bucket.names(`${PREFIX}/`))
    .map((name) => name.slice(PREFIX.length + 1))
    .filter((name) => name !== '.probe')
const packs = async () => (await names()).filter((name) => /^[0-9a-f]{2}\/[0-9a-f]{64}$/.test(name))

describe.skipIf(why !== undefined)(
  `packs in a bucket${why === undefined ? '' : ` (${why})`}`,
  () => {
    let ground: string
    let fleet: Fleet
    let hub: RunningHub
    let home: string
    let keysFile: string
    let place: readonly string[]

    const ask = <T>(...args: readonly string[]) => fleet.operator.json<T>(...args)
    const notes = () => join(home, '.openclaw', 'workspace', 'MEMORY.md')
    const backUp = async (text: string) => {
      writeFileSync(join(home, '.openclaw', 'workspace', `${text}.bin`), randomBytes(3 << 20))
      writeFileSync(notes(), `${text}\n`)
      const job = await ask<Job>('backup', 'ada')
      expect(job).toMatchObject({ state: 'done', warnings: 0 })
      return job.snapshot
    }

    beforeAll(async () => {
      ground = freshMachine('object-store')
      home = smallHome(join(ground, 'home', 'ada'), PORT)
      keysFile = join(ground, 'keys')
      const { id, secret } = bucket.keys
      const lines = `AWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY=${secret}\n`
      writeFileSync(keysFile, lines, { mode: 0o600 })
      place = ['--packs-s3', `${bucket.url}/${PREFIX}`, '--packs-s3-region', bucket.region]
      fleet = await startFleet(ground, undefined, { more: [...place, '--packs-s3-keys', keysFile] })
      hub = fleet.hub
      await fleet.enrol('ada', home, ground, standIn(join(ground, 'stand-in')))
      await ask('nodes', 'confirm')
    })

    afterAll(async () => {
      await fleet?.stop()
      await hub?.stop()
      // What stands in for OpenClaw runs since the restore.
      const gateway = gatewayPid(home)
      if (gateway !== undefined) process.kill(gateway)
    })

    function endGrace(): void {
      const catalog = new DatabaseSync(join(hub.data, 'catalog.sqlite'))
      catalog.exec('update keeping set grace_hours = 0')
      catalog.close()
    }

    /** The same hub, with keys as a container is handed them. */
    async function restart(meanwhile: () => void = () => undefined): Promise<void> {
      await hub.stop()
      meanwhile()
      const env = {
        AWS_ACCESS_KEY_ID_FILE: written(ground, 'key-id', bucket.keys.id),
        AWS_SECRET_ACCESS_KEY_FILE: written(ground, 'key-secret', bucket.keys.secret),
      }
      const port = Number(new URL(hub.url).port)
      hub = await startHub(hub.data, { port, more: place, under: { env } })
    }

    test('what is backed up lies in the bucket, and nothing of it in the data directory', async () => {
      const snapshot = await backUp('first')
      const found = await names()
      expect(found).toContain(`snapshots/${snapshot}`)
      expect(found).toContain('vault/record')
      expect((await packs()).length).toBeGreaterThan(1)
      expect(existsSync(join(hub.data, 'packs'))).toBe(false)
      expect(readdirSync(join(hub.data, 'spool'))).toEqual([])
      expect(hub.output()).toContain('"msg":"packs are in a bucket"')
      expect(hub.output()).not.toContain(bucket.keys.secret)
      const ready = await fetch(`${hub.url}/readyz`)
      expect(await ready.json()).toMatchObject({ ok: true, packs: true })
    })

    test('a node is restored from it', async () => {
      const [newest] = await ask<{ id: string }[]>('snapshots', 'ada')
      writeFileSync(notes(), 'spoilt\n')
      expect(await ask('restore', 'ada', newest?.id ?? '')).toMatchObject({ state: 'done' })
      expect(readFileSync(notes(), 'utf8')).toBe('first\n')
    })

    test('the bucket copied to a directory is a store that is recovered without a hub', async () => {
      const copy = join(ground, 'copy')
      for (const name of await names()) {
        mkdirSync(dirname(join(copy, name)), { recursive: true })
        writeFileSync(join(copy, name), await bucket.get(`${PREFIX}/${name}`))
      }
      const stranger = operatorAt(join(ground, 'elsewhere'), 'http://127.0.0.1:9')
      const to = join(ground, 'recovered')
      expect(await stranger.ocm('recover', copy, '--to', to)).toMatchObject({ code: 0 })
      expect(treeOf(join(to, home, '.openclaw', 'workspace'))).toEqual(
        treeOf(join(home, '.openclaw', 'workspace')),
      )
      // The reader that was written from the documentation, where it can run.
      const read = missingForReader().length > 0 ? undefined : readStore(PASSPHRASE, 'verify', copy)
      expect(read?.code ?? 0).toBe(0)
    })

    test('what is pruned goes out of the bucket, and what stays is whole', async () => {
      const before = await packs()
      const second = await backUp('second')
      writeFileSync(join(home, '.openclaw', 'workspace', 'first.bin'), '')
      const newest = await backUp('third')
      await ask('retention', 'set', '--last', '1')
      await ask('retention', 'lock', '--days', '0', '--last', '1', '--lower')
      const { pruned } = await ask<{ pruned: string[] }>('prune', '--all', '--apply')
      expect(pruned).toContain(second)
      // It looks after its store when it starts; days of grace would be long for a test.
      await restart(endGrace)
      await until(async () => !(await names()).includes(`snapshots/${second}`), {
        timeoutMs: 20_000,
        what: 'the header has gone',
      })
      const bulk = (all: readonly string[]) => before.filter((name) => all.includes(name)).length
      await until(async () => bulk(await packs()) < before.length, {
        timeoutMs: 20_000,
        what: 'what only the first needed has gone',
      })
      expect(await names()).toContain(`snapshots/${newest}`)
      expect(await ask('verify', 'ada')).toMatchObject({ ok: true })
      await ask('retention', 'set', '--keep-all')
    })

    test('what is altered behind its back is found, and stored again by the next backup', async () => {
      const [altered = '', gone = ''] = await packs()
      const bytes = await bucket.get(`${PREFIX}/${altered}`)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
      await bucket.put(`${PREFIX}/${altered}`, bytes)
      await bucket.remove(`${PREFIX}/${gone}`)
      const { out, code } = await fleet.operator.ocm('scrub', '--all', '--json')
      expect(code).toBe(1)
      expect((JSON.parse(out) as Scrub).damage).toHaveLength(2)
      const newest = await backUp('fourth')
      const verified = await fleet.operator.ocm('verify', 'ada', '--json')
      expect((JSON.parse(verified.out) as Verified).whole).toContain(newest)
    })

    test('a copy of the hub says where its packs are, and goes on with them elsewhere', async () => {
      const file = join(ground, 'hub-copy')
      const whole = await askHub('backup', file, '--data', hub.data, '--with-packs')
      expect(whole).toMatchObject({ code: 2, err: expect.stringContaining(bucket.url) })
      const copied = await askHub('backup', file, '--data', hub.data)
      expect(copied).toMatchObject({ code: 0, out: expect.stringContaining(bucket.url) })
      const after = await backUp('fifth')
      const data = join(ground, 'restored-hub')
      const restored = await askHub('restore', file, '--data', data)
      expect(restored).toMatchObject({ code: 0, out: expect.stringContaining('--packs-s3') })
      await restart(() => {
        hub = { ...hub, data }
      })
      // It came after the copy was made, and is taken up from the bucket.
      expect((await ask<{ id: string }[]>('snapshots', 'ada')).map(({ id }) => id)).toContain(after)
      await until(async () => (await ask<{ online: boolean }[]>('nodes')).every((n) => n.online), {
        timeoutMs: 20_000,
        what: 'the node is there again',
      })
      await backUp('sixth')
    })

    test('a hub does not start beside its packs, nor another one over them', async () => {
      const files = [...place, '--packs-s3-keys', keysFile]
      expect(await started(join(ground, 'new-hub'), files)).toContain('the store of another hub')
      const elsewhere = [`${bucket.url}/empty`, ...files.slice(2)]
      await hub.stop()
      expect(await started(hub.data, [])).toContain(`are in ${bucket.url}/${PREFIX}`)
      expect(await started(hub.data, ['--packs-s3', ...elsewhere])).toContain(
        "nothing of this hub's",
      )
      written(hub.data, 'packs-lost', '')
      expect(await started(hub.data, ['--packs-s3', ...elsewhere])).toBe('started')
      expect(existsSync(join(hub.data, 'packs-lost'))).toBe(false)
      await restart()
      expect(await ask<unknown[]>('snapshots', 'ada')).not.toHaveLength(0)
    })
  },
)

const whyNotBoth = why ?? whyNoPostgres()
/** As the compose file hands it all over, of which the engine is the only part that is not here. */
test.skipIf(whyNotBoth !== undefined)(
  `a hub as in compose.stores.yaml, with nothing of its own but keys${whyNotBoth === undefined ? '' : ` (${whyNotBoth})`}`,
  async () => {
    const [empty, postgres] = await Promise.all([bucket.another(), startPostgres('fsync=off')])
    const ground = freshMachine('both-stores')
    const values: Readonly<Record<string, string>> = {
      '/run/secrets/catalog-url': written(ground, 'catalog-url', postgres.remote()),
      '/run/secrets/s3-key-id': written(ground, 's3-key-id', bucket.keys.id),
      '/run/secrets/s3-secret': written(ground, 's3-secret', bucket.keys.secret),
      'http://garage:3900/ocm-packs': empty.url,
      garage: bucket.region,
    }
    const compose = readFileSync(
      new URL('../deploy/container/compose.stores.yaml', import.meta.url),
    )
    const [, block = ''] = /  hub:\n[^]*? environment:\n((?: {6}.*\n)+)/.exec(String(compose)) ?? []
    const env = Object.fromEntries(
      [...block.matchAll(/(\w+): (\S+)/g)].map(([, name, value = '']) => [name, values[value]]),
    ) as Record<string, string>
    expect(Object.values(env)).toEqual(expect.arrayContaining(Object.values(values)))
    let fleet: Fleet | undefined
    try {
      fleet = await startFleet(ground, undefined, { under: { env } })
      const home = smallHome(join(ground, 'home', 'ada'), PORT)
      await fleet.enrol('ada', home, ground, standIn(join(ground, 'stand-in')))
      await fleet.operator.json('nodes', 'confirm')
      expect(await fleet.operator.json('backup', 'ada')).toMatchObject({ state: 'done' })
      expect(await fleet.operator.json('verify', 'ada')).toMatchObject({ ok: true })
      const kept = readdirSync(fleet.hub.data).toSorted()
      expect(kept).toEqual(['catalog-in-postgres', 'keys', 'packs-bucket', 'spool'])
      expect(fleet.hub.output()).not.toContain(bucket.keys.secret)
      const argv = readFileSync(`/proc/${fleet.hub.process.pid}/cmdline`, 'utf8')
      expect(argv).not.toContain(bucket.keys.secret)
    } finally {
      await fleet?.stop()
      await postgres.stop()
    }
  },
)
