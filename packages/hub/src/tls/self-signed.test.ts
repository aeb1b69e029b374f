import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { selfSigned } from './self-signed.ts'

const NOW = Date.UTC(2026, 10, 20)
const NAMES = ['localhost', 'nas.example', '127.0.0.1', '192.168.200.7', '::1', 'fd00::a:1', '1::']

test('makes a certificate for its names that its own key signed and that vouches for no other', () => {
  const made = new X509Certificate(selfSigned(NAMES, NOW).certificate)
  expect(made.verify(made.publicKey)).toBe(true)
  expect(made.ca).toBe(false)
  expect(made.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(new Date(made.validFrom).getTime()).toBeLessThan(NOW)
  expect(new Date(made.validTo).getTime()).toBeGreaterThan(NOW + 9 * 365 * 86_400_000)
  for (const name of NAMES) {
    const found = /[:]|^\d/.test(name) ? made.checkIP(name) : made.checkHost(name)
    expect(found).toBe(name)
  }
  expect(made.checkHost('other.example')).toBeUndefined()
})

test('is taken by whoever trusts it, for any of its names', async () => {
  const { key, certificate } = selfSigned(NAMES, Date.now())
  const server = createServer({ key, cert: certificate }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const socket = connect({ port, host: '127.0.0.1', servername: 'nas.example', ca: certificate })
  await once(socket, 'secureConnect')
  expect(socket.authorized).toBe(true)
  socket.destroy()
  server.close()
})

test('makes no two that are alike', () => {
  const serials = [selfSigned(NAMES, NOW), selfSigned(NAMES, NOW)].map(
    ({ certificate }) => new X509Certificate(certificate).serialNumber,
  )
  expect(new Set(serials).size).toBe(2)
})
