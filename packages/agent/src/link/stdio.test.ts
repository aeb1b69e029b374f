import { PassThrough, Transform } from 'node:stream'
import { expect, it } from 'vitest'
import { RecordReader, hubLink, newId, writeRecord } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { speakOverStdio } from './stdio.ts'

const clock = { now: () => performance.now(), setTimeout, clearTimeout }
const node = newId(p)
const fault = (error: unknown) => expect.fail(String(error))

/** As a pipe: what was written is the reader's, whatever becomes of the writer's memory. */
const copying = () =>
  new Transform({ transform: (bytes: Buffer, _, done) => done(null, Buffer.from(bytes)) })

/** A hub at the other end of two pipes that cut records wherever they like. */
function pipes() {
  const down = new PassThrough()
  const up = copying()
  const identity = p.ed25519Pair()
  const reader = new RecordReader()
  const hub = hubLink(p, {
    carrier: {
      send(record) {
        const bytes = writeRecord(record)
        const middle = Math.ceil(bytes.length / 2)
        down.write(bytes.subarray(0, middle))
        down.write(bytes.subarray(middle))
      },
      bufferedBytes: () => down.writableLength,
      close: () => down.end(),
    },
    clock,
    kind: 'stdio',
    identity,
    accept: () => Promise.resolve({ node, version: 1, seq: 1, heartbeatMs: 20_000, record: '' }),
    onSession: () => {},
    fault,
  })
  up.on('data', (bytes: Buffer) => {
    for (const record of reader.push(bytes)) hub.receive(record)
  })
  up.on('close', () => hub.lost())
  const agent = speakOverStdio(p, {
    input: down,
    output: up,
    clock,
    identity: p.ed25519Pair(),
    pinnedHub: identity.public,
    minVersion: 1,
    hello: {
      min: 1,
      max: 1,
      capabilities: [],
      agentVersion: '0.1.0',
      boot: node,
      seq: 0,
      enrol: null,
    },
    onWelcome: () => Promise.resolve(),
    onSession: (session) =>
      session.handle('describe', ({ record }) => Promise.resolve({ description: record })),
    fault,
  })
  return { down, hub, agent }
}

it('speaks the same link over two pipes', async () => {
  const { hub, agent } = pipes()
  await agent
  const record = 'A'.repeat(200_000)
  const { result } = await (await hub.session).request('describe', { record })
  expect(result.description).toBe(record)
})

it('is gone when its input ends', async () => {
  const { down, agent } = pipes()
  const session = await agent
  down.destroy()
  expect((await session.closed).code).toBe('link-lost')
})

it('is gone when a record is empty', async () => {
  const { down, agent } = pipes()
  const session = await agent
  down.write(Uint8Array.of(0, 0))
  expect((await session.closed).code).toBe('link-lost')
})
