/** A service manager and its gateways, over http. It is a server of its own, so a gateway outlives an agent that is
 * killed, as it does under systemd. */
import { existsSync, readFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'

export interface ManagerState {
  readonly running: boolean
  readonly masked: boolean
}

export interface Manager {
  readonly url: string
  stateOf(home: string): ManagerState
  /** What the gateway of that home found when it was started: the sum of its files. */
  readonly starts: readonly { readonly home: string; readonly config: string }[]
  start(home: string, port: number): Promise<void>
  /** Nothing runs for that home, and nothing is masked. */
  reset(home: string): Promise<void>
  close(): Promise<void>
}

/** Its gateway is ready when the configuration that it was started with says that it is healthy. */
export async function startManager(): Promise<Manager> {
  const gateways = new Map<string, Server>()
  const masks = new Set<string>()
  const starts: { home: string; config: string }[] = []

  async function start(home: string, port: number): Promise<void> {
    if (masks.has(home)) throw new Error('masked')
    if (gateways.has(home)) return
    const file = `${home}/app/config.json`
    const config = existsSync(file) ? readFileSync(file, 'utf8') : '{}'
    starts.push({ home, config })
    const ready = (JSON.parse(config) as { healthy?: boolean }).healthy === true
    const server = createServer((_, answer) => answer.end(JSON.stringify({ ready })))
    gateways.set(home, server)
    await listening(server, port)
  }

  async function stop(home: string): Promise<void> {
    const server = gateways.get(home)
    gateways.delete(home)
    if (server) await closed(server)
  }

  const stateOf = (home: string): ManagerState => ({
    running: gateways.has(home),
    masked: masks.has(home),
  })

  const server = createServer((asked, answer) => {
    const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://rig')
    const home = searchParams.get('home') ?? ''
    const verbs: Record<string, () => Promise<void>> = {
      '/start': () => start(home, Number(searchParams.get('port'))),
      '/stop': () => stop(home),
      '/mask': async () => void masks.add(home),
      '/unmask': async () => void masks.delete(home),
      '/state': async () => {},
    }
    const act = verbs[pathname] ?? (() => Promise.reject(new Error(pathname)))
    act().then(
      () => answer.end(JSON.stringify(stateOf(home))),
      (error: unknown) => {
        answer.statusCode = 409
        answer.end(String(error))
      },
    )
  })
  await listening(server, 0)
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    stateOf,
    starts,
    start,
    async reset(home) {
      masks.delete(home)
      await stop(home)
    },
    async close() {
      for (const home of gateways.keys()) await stop(home)
      await closed(server)
    },
  }
}

const listening = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })

const closed = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
