/** A wire that can be listened to: passes TCP on and keeps every byte of both directions. */
import { createServer, connect, type AddressInfo } from 'node:net'

export interface Recorder {
  readonly port: number
  /** Where it passes bytes on to; to be told before the first connection. */
  target(port: number): void
  /** What went to the hub and what came from it, one buffer a connection and direction. */
  heard(): readonly Buffer[]
  close(): void
}

export async function startRecorder(): Promise<Recorder> {
  let target = 0
  const streams: Buffer[][] = []
  const server = createServer((from) => {
    const to = connect(target, '127.0.0.1')
    const up: Buffer[] = []
    const down: Buffer[] = []
    streams.push(up, down)
    from.on('data', (part) => {
      up.push(part as Buffer)
      to.write(part)
    })
    to.on('data', (part) => {
      down.push(part as Buffer)
      from.write(part)
    })
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on('error', () => other.destroy()) // An end that breaks breaks the other, as on a real wire.
      one.on('end', () => other.end())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    target: (port) => {
      target = port
    },
    heard: () => streams.map((parts) => Buffer.concat(parts)),
    close: () => server.close(),
  }
}
