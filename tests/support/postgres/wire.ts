/** A wire to PostgreSQL that breaks at a moment that the test names. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Wire {
  readonly port: number
  /** At the next message that says this: before PostgreSQL has it, or when it has answered and nobody has heard. */
  breakAt(said: string, when: 'before' | 'after'): void
  stop(): Promise<void>
}

export async function startWire(to: number): Promise<Wire> {
  let wanted: { readonly said: string; readonly when: 'before' | 'after' } | undefined
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    let isDeaf = false
    const end = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    near.on('data', (bytes) => {
      if (wanted !== undefined && bytes.includes(wanted.said)) {
        const { when } = wanted
        wanted = undefined
        if (when === 'before') return end()
        isDeaf = true
      }
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (isDeaf) end()
      else near.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    breakAt(said, when) {
      wanted = { said, when }
    },
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
