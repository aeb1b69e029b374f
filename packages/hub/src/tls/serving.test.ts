import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { type PeerCertificate, connect } from 'node:tls'
import { base64url, writeCertificatePin } from '@ocm/protocol'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { buildHub, type Hub, type HubOptions } from '../app.ts'
import { TestHub } from '../testing/hub.ts'
import { selfSigned } from './self-signed.ts'

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function directory(): Promise<string> {
  const data = await mkdtemp(`${tmpdir()}/ocm-hub-tls-`)
  open.push(() => rm(data, { recursive: true, force: true }))
  return data
}

async function hub(options: HubOptions): Promise<Hub> {
  const built = await buildHub(options)
  open.push(() => built.close())
  return built
}

/** The fingerprint that a client is shown. */
async function shownBy({ url }: Hub): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate() as PeerCertificate
  socket.destroy()
  return fingerprint256
}

async function ask(url: string, ca: string): Promise<{ readonly text: string }> {
  const [response] = await once(https.get(url, { ca, servername: 'localhost' }), 'response')
  let text = ''
  for await (const part of response) text += part
  return { text }
}

test('a certificate of its own is made once, kept to itself, and told to clients', async () => {
  const data = await directory()
  const first = await buildHub({ data, tls: { kind: 'self' } })
  expect(first.url).toMatch(/^https:/)
  const pin = first.certificatePin as Uint8Array
  expect(await shownBy(first)).toBe(writeCertificatePin(pin))
  const { mode } = await stat(`${data}/keys/tls.pem`)
  expect(mode & 0o777).toBe(0o600)
  await first.close()

  await chmod(`${data}/keys/tls.pem`, 0o644)
  const again = await hub({ data, tls: { kind: 'self' } })
  expect(await shownBy(again)).toBe(writeCertificatePin(pin))
  expect((await stat(`${data}/keys/tls.pem`)).mode & 0o777).toBe(0o600)
  const answer = await again.fastify.inject({ url: '/api/setup', headers: { host: '127.0.0.1' } })
  expect(answer.json()).toMatchObject({ certificate: base64url(pin) })
  expect(answer.json()).not.toHaveProperty('insecure')
})

test('a page of its own https address is let through, one of http is not', async () => {
  const { fastify } = await hub({ data: await directory(), tls: { kind: 'self' } })
  const from = (origin: string) =>
    fastify.inject({
      method: 'POST',
      url: '/api/login',
      headers: { host: '127.0.0.1:8001', origin },
      payload: { name: 'x', password: 'y' },
    })
  expect((await from('https://127.0.0.1:8001')).json().code).toBe('login-failed')
  expect((await from('http://127.0.0.1:8001')).json().code).toBe('origin-refused')
})

test('an own certificate is served, and read again while the hub runs', async () => {
  const data = await directory()
  const [one, two] = [selfSigned(['localhost'], Date.now()), selfSigned(['localhost'], Date.now())]
  const files = { certificate: `${data}/cert.pem`, key: `${data}/key.pem` }
  const put = async ({ certificate, key }: typeof one) => {
    await writeFile(files.certificate, certificate)
    await writeFile(files.key, key)
  }
  await put(one)
  const running = await hub({ data: `${data}/hub`, tls: { kind: 'own', ...files } })
  expect((await ask(`${running.url}/healthz`, one.certificate)).text).toBe('{"ok":true}')

  await put(two)
  await running.reloadCertificate()
  expect((await ask(`${running.url}/healthz`, two.certificate)).text).toBe('{"ok":true}')
  const shown = await shownBy(running)

  await writeFile(files.key, one.key)
  await expect(running.reloadCertificate()).rejects.toMatchObject({
    code: 'certificate-unusable',
    facts: { why: 'mismatch' },
  })
  await writeFile(files.certificate, 'not a certificate')
  await expect(running.reloadCertificate()).rejects.toMatchObject({ facts: { why: 'form' } })
  expect(await shownBy(running)).toBe(shown)
})

test('a certificate that is not there stops the start', async () => {
  const data = await directory()
  const tls = { kind: 'own', certificate: `${data}/none`, key: `${data}/none` } as const
  await expect(buildHub({ data, tls })).rejects.toMatchObject({ code: 'certificate-unusable' })
})

/** What the log says of the address of an agent that was refused. */
async function refusedAddress(options: Partial<HubOptions>): Promise<string> {
  const fixture = await TestHub.open(options)
  open.push(() => fixture.close())
  const socket = new WebSocket(`${fixture.url.replace('http', 'ws')}/link`, {
    headers: { 'x-forwarded-for': '203.0.113.7' },
  })
  await once(socket, 'open')
  socket.send('no record')
  await once(socket, 'close')
  const line = fixture.logged.find((text) => text.includes('agent refused')) ?? '{}'
  return JSON.parse(line).address
}

test('who is behind a proxy counts only from one that is trusted', async () => {
  expect(await refusedAddress({ trustedProxies: ['127.0.0.0/8'] })).toBe('203.0.113.7')
  expect(await refusedAddress({ trustedProxies: ['192.0.2.1'] })).toBe('127.0.0.1')
  expect(await refusedAddress({})).toBe('127.0.0.1')
})
