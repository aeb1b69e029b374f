/**
 * `npm run dev`: everything from its sources, and nothing left when it ends.
 * `npm run proof -- dev`
 */
import { strict as assert } from 'node:assert'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { freshMachine } from '../support/openclaw-home.ts'
import { until } from '../support/until.ts'

const script = fileURLToPath(new URL('../../scripts/dev.ts', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function prove(): Promise<void> {
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
    await until(() => isThere(/^Ready\./m), { timeoutMs: 120_000, what: 'it is ready' })
    console.log('a hub, two nodes and the dashboard are up')
    for (const node of ['ada', 'bea']) {
      const connected = new RegExp(`^${node} .*"connected"`, 'm')
      await until(() => isThere(connected), { timeoutMs: 60_000, what: `${node} is connected` })
    }
    console.log('both nodes are connected')
    assert.match(await (await fetch(page)).text(), /\/@vite\/client/)
    const state = (await (await fetch(`${page}/api/setup`)).json()) as { open: boolean }
    assert.equal(state.open, false)
    console.log('the dashboard in front asks the hub, which is set up')
  } finally {
    child.kill('SIGINT')
    if (child.exitCode === null) await once(child, 'exit')
    rmSync(data, { recursive: true, force: true })
  }
  assert.equal(child.exitCode, 0)
  for (const address of [page, `http://127.0.0.1:${hubPort}`]) {
    await assert.rejects(fetch(address), /fetch failed/)
  }
  console.log('all of it has ended')
}

try {
  await prove()
  console.log('1 passed, 0 failed, 0 skipped')
} catch (error) {
  console.error(error)
  console.log('0 passed, 1 failed, 0 skipped')
  process.exitCode = 1
}
