/** A line between an agent and its hub that can be cut, and mended. */
import { type Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

export interface Wire {
  readonly url: string
  cut(): void
  mend(): void
  close(): void
}

/** @param hub the port it leads to */
export async function startWire(hub: number): Promise<Wire> {
  const ends = new Set<Socket>()
  let isCut = false
  const server = createServer((from) => {
    if (isCut) return void from.destroy()
    const to = connect(hub, '127.0.0.1')
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      ends.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        ends.delete(one)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    isCut = true
    for (const end of ends) end.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => {
      isCut = false
    },
    close: () => {
      cut()
      server.close()
    },
  }
}
