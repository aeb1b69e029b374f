/** Between a hub and a real S3 server: passes everything on, but for what a test has it do to some requests. */
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** One request and the answer to it. `next` passes it on, with another body if one is given. */
export interface Passing {
  readonly request: IncomingMessage
  readonly answer: ServerResponse
  next(body?: AsyncIterable<Uint8Array>): Promise<IncomingMessage>
}

/** Done to a request instead of passing it on. */
export type Fault = (passing: Passing) => Promise<void>

export interface FaultProxy {
  readonly endpoint: string
  /** Methods and paths so far. */
  readonly seen: string[]
  /** The next `times` requests that fit are dealt with like this. */
  next(times: number, fits: (request: IncomingMessage) => boolean, fault: Fault): void
  close(): Promise<void>
}

/** @param tls what it shows to who comes by https */
export async function startFaultProxy(
  target: string,
  tls?: { readonly key: string; readonly certificate: string },
): Promise<FaultProxy> {
  const planned: { times: number; fits: (request: IncomingMessage) => boolean; fault: Fault }[] = []
  const seen: string[] = []
  const { hostname, port } = new URL(target)

  const passOn = (request: IncomingMessage, body: AsyncIterable<Uint8Array>) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { method, url: path, headers } = request
      const upstream = ask({ hostname, port, method, path, headers, agent: false })
      upstream.once('response', resolve).once('error', reject)
      upstream.flushHeaders()
      const send = async () => {
        for await (const piece of body) upstream.write(piece)
        upstream.end()
      }
      send().catch((error: Error) => upstream.destroy(error))
    })

  async function serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    seen.push(`${request.method} ${request.url}`)
    const next = (body: AsyncIterable<Uint8Array> = request) => passOn(request, body)
    const plan = planned.find(({ times, fits }) => times > 0 && fits(request))
    if (plan) {
      plan.times--
      return plan.fault({ request, answer, next })
    }
    const said = await next()
    answer.writeHead(said.statusCode ?? 502, said.headers)
    for await (const piece of said) answer.write(piece)
    answer.end()
  }

  const handle = (request: IncomingMessage, answer: ServerResponse) => {
    const { socket } = request
    // Either side may have gone: the other hears of it.
    serve(request, answer).catch(() => socket.destroy())
  }
  const server: Server = tls
    ? createTlsServer({ key: tls.key, cert: tls.certificate }, handle)
    : createServer(handle)
  server.on('checkContinue', (request, answer) => {
    answer.writeContinue()
    delete request.headers.expect
    handle(request, answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    next: (times, fits, fault) => void planned.push({ times, fits, fault }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The line is cut when so many bytes of the body have come. */
export const cutAfter =
  (bytes: number): Fault =>
  async ({ request, next }) => {
    async function* beginning() {
      let come = 0
      for await (const piece of request) {
        yield piece as Uint8Array
        come += (piece as Uint8Array).length
        if (come >= bytes) throw new Error('cut')
      }
    }
    await next(beginning())
  }

export const slowDown: Fault = async ({ request, answer }) => {
  request.resume()
  answer.writeHead(503, { 'content-type': 'application/xml' })
  answer.end('<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>')
}

export const notImplemented: Fault = async ({ request, answer }) => {
  request.resume()
  answer.writeHead(501).end('<Error><Code>NotImplemented</Code></Error>')
}

/** It was done, and nobody hears of it. */
export const loseAnswer: Fault = async ({ request, next }) => {
  ;(await next()).resume()
  request.socket.destroy()
}

/** One bit of the body turns. */
export const turnBit: Fault = async ({ request, answer, next }) => {
  async function* turned() {
    let isFirst = true
    for await (const piece of request) {
      const bytes = Buffer.from(piece as Uint8Array)
      if (isFirst) bytes[0] = (bytes[0] as number) ^ 1
      isFirst = false
      yield bytes
    }
  }
  const said = await next(turned())
  answer.writeHead(said.statusCode ?? 502, said.headers)
  for await (const piece of said) answer.write(piece)
  answer.end()
}

/** So many bytes of the answer's body come, then the line is cut. */
export const stopAfter =
  (bytes: number): Fault =>
  async ({ request, answer, next }) => {
    const said = await next()
    answer.writeHead(said.statusCode ?? 502, said.headers)
    let left = bytes
    for await (const piece of said) {
      const part = (piece as Uint8Array).subarray(0, left)
      left -= part.length
      await new Promise((resolve) => answer.write(part, resolve))
      if (left === 0) break
    }
    request.socket.destroy()
  }
