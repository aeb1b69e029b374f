/** `npm run dev`: everything from its sources, and nothing left when it ends. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { freshMachine } from './support/openclaw-home.ts'
import { until } from './support/until.ts'

const script = fileURLToPath(new URL('../scripts/dev.ts', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('brings up a hub, two nodes and the dashboard in front, and ends all of it at Ctrl-C', async () => {
  const data = freshMachine('dev')
  const [port, hubPort] = [await freePort(), await freePort()]
  const page = `http://127.0.0.1:${port}`
  const child = spawn(
    process.execPath,
    [script, '--data', data, '--port', String(port), '--hub-port', String(hubPort)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  const isThere = (what: RegExp) => {
    if (child.exitCode !== null) throw new Error(said)
    return what.test(said)
  }
  try {
    await until(() => isThere(/^Ready\./m), {
      timeoutMs: 120_000,
      what: 'it says that it is ready',
    })
    const connected = /^(ada|bea) .*"connected"[^]*^(?!\1)(ada|bea) .*"connected"/m
    await until(() => isThere(connected), { timeoutMs: 30_000, what: 'both nodes are connected' })
    expect(await (await fetch(page)).text()).toContain('/@vite/client')
    const state = await (await fetch(`${page}/api/setup`)).json()
    expect(state).toMatchObject({ open: false })
  } finally {
    child.kill('SIGINT')
    if (child.exitCode === null) await once(child, 'exit')
    rmSync(data, { recursive: true, force: true })
  }
  expect(child.exitCode).toBe(0)
  for (const address of [page, `http://127.0.0.1:${hubPort}`]) {
    await expect(fetch(address)).rejects.toThrow('fetch failed')
  }
})
