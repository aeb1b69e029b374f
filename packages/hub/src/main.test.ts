import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
let data: string
const children: ChildProcess[] = []
beforeEach(async () => {
  data = await mkdtemp(`${tmpdir()}/ocm-hub-main-`)
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(data, { recursive: true, force: true })
})

function hub(...options: string[]) {
  const child = spawn(process.execPath, [main, 'serve', '--data', data, ...options])
  children.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (text) => (said.out += text))
  child.stderr.on('data', (text) => (said.err += text))
  return { child, said }
}

test('says where it is and how to set it up, and stops when told to', async () => {
  const { child, said } = hub('--port', '0')
  while (!said.out.includes('setup#')) await once(child.stdout, 'data')
  const [, url] = /^OCM hub: (http:\/\/127\.0\.0\.1:\d+)$/m.exec(said.out) ?? []
  const [, link, secret] = /(http:\S+\/setup)#(\S{43})$/m.exec(said.out) ?? []
  expect(link).toBe(`${url}/setup`)
  expect((await readFile(`${data}/setup-link`, 'utf8')).trim()).toBe(secret)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  expect(status).toBe(0)
  expect(said.err).not.toContain(secret)
})

test('says in a sentence that the port is taken, and what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const { child, said } = hub('--port', String(port))
  const [status] = await once(child, 'exit')
  other.close()
  expect(status).toBe(1)
  expect(said.err).toBe(
    `Port ${port} is in use.\nStop the other program or choose another port with --port.\n`,
  )
})

test.each([
  [['--host', '0.0.0.0'], '--insecure-http'],
  [['--port', 'x'], '--port takes a number'],
  [['--public-url', 'ftp://x'], '--public-url takes'],
  [['--tls', 'own'], '--tls-cert and --tls-key'],
  [['--tls', 'self', '--insecure-http'], 'not for one hub'],
  [['--trusted-proxy', '10.0.0.0/64'], '--trusted-proxy takes'],
  [['--trusted-proxy', '0.0.0.0/0'], '--trusted-proxy takes'],
])('refuses %j before it opens anything', async (options, text) => {
  const { child, said } = hub(...options)
  const [status] = await once(child, 'exit')
  expect(status).toBe(2)
  expect(said.err).toContain(text)
  expect(said.err).not.toContain('    at ')
})
