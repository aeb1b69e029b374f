import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { OcmError } from '@ocm/protocol'
import { afterEach, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { pinned } from './pinned.ts'

/** Nobody vouches for these two, and neither is used anywhere else. */
const ONE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJ3Wev2yCNI2Sw9Is
G7RYFKfWobIhWxYIkURlwDBhfKWhRANCAARE/n6PbGTkWSSTGhEJB5c7oTKbErw+
aZ0BJh305xo0ZT1e/+2yNuD4omDXurHP7qCl7SY7KT4eJnYzNDbZIQsE
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBbDCCAROgAwIBAgIQAcq6SvywCtCRNIMHSdo24zAKBggqhkjOPQQDAjASMRAw
DgYDVQQDDAdPQ00gaHViMB4XDTI2MTAzMTAwMDAwMFoXDTM2MTAyOTAwMDAwMFow
EjEQMA4GA1UEAwwHT0NNIGh1YjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABET+
fo9sZORZJJMaEQkHlzuhMpsSvD5pnQEmHfTnGjRlPV7/7bI24PiiYNe6sc/uoKXt
JjspPh4mdjM0NtkhCwSjSzBJMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeA
MBMGA1UdJQQMMAoGCCsGAQUFBwMBMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggq
hkjOPQQDAgNHADBEAiAyIGRdXJfPinW2lpzlSkwKFXU4huyO0zopt6mmM5a9CQIg
dTUuvVR7Pg2WuIz7QRx7JfOzCCnN+7MoVsC6j2c50wE=
-----END CERTIFICATE-----
`,
}
const OTHER = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQga7UUw6+6nk+pvnpT
NNEp/0/yqiTFqvO5fhLQHOeafyChRANCAAQvq5q8MFX28fsKp4JpP46AHxxyXC8Q
wvKMqjrfNAzh4ODFELh9nI7e/Oh5CPRtzR541iJ68ZYdnHQacH8goSJ6
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIQAWNxkjTf+5g2yiN3GR8nzDAKBggqhkjOPQQDAjASMRAw
DgYDVQQDDAdPQ00gaHViMB4XDTI2MTAzMTAwMDAwMFoXDTM2MTAyOTAwMDAwMFow
EjEQMA4GA1UEAwwHT0NNIGh1YjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABC+r
mrwwVfbx+wqngmk/joAfHHJcLxDC8oyqOt80DOHg4MUQuH2cjt786HkI9G3NHnjW
Inrxlh2cdBpwfyChInqjSzBJMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeA
MBMGA1UdJQQMMAoGCCsGAQUFBwMBMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggq
hkjOPQQDAgNIADBFAiEAwG5KKrcCZ3vtPU0RHqnSEI6Cz/2W7iFMzE5EwXRuQ/kC
IBB/sXgCVPynas+Q9mdvx6XEELw7Jwo1gSLG8KcrxXV7
-----END CERTIFICATE-----
`,
}

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function listen(pair: typeof ONE) {
  const requests: string[] = []
  const server = https.createServer(pair, (request) => void requests.push(request.url ?? ''))
  const sockets = new WebSocketServer({ server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.on('tlsClientError', () => {}) // A client that did not like the certificate.
  open.push(() => server.close())
  sockets.on('connection', (_socket, { url }) => requests.push(url ?? ''))
  const { port } = server.address() as AddressInfo
  return { url: `wss://127.0.0.1:${port}/link`, requests }
}

const pinOf = ({ cert }: typeof ONE) =>
  new Uint8Array(Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex'))

function dial(url: string, pin: Uint8Array): WebSocket {
  const createConnection = pinned(pin) as never
  const socket = new WebSocket(url, { createConnection })
  open.push(() => socket.terminate())
  return socket
}

it('takes the certificate that is pinned, whatever name it is for', async () => {
  const hub = await listen(ONE)
  await once(dial(hub.url, pinOf(ONE)), 'open')
  expect(hub.requests).toEqual(['/link'])
})

it('takes no other, and sends it nothing', async () => {
  const hub = await listen(OTHER)
  const [error] = await once(dial(hub.url, pinOf(ONE)), 'error').catch((thrown) => [thrown])
  expect(error).toBeInstanceOf(OcmError)
  expect(error).toMatchObject({ code: 'certificate-changed' })
  expect(hub.requests).toEqual([])
})

it('says what is wrong when nobody answers', async () => {
  const [error] = await once(dial('wss://127.0.0.1:1/link', pinOf(ONE)), 'error').catch(
    (thrown) => [thrown],
  )
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
})
