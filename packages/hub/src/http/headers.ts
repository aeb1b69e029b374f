/** Headers of every answer. No HSTS and no upgrade: on plain http they would lock people out of their own hub. */
import type { FastifyInstance } from 'fastify'

const CSP = [
  "default-src 'self'",
  // argon2id runs as WebAssembly in the dashboard.
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ')

export function addHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'content-security-policy': CSP,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
      'x-request-id': request.id,
    })
    if (request.url.startsWith('/api/')) void reply.header('cache-control', 'no-store')
  })
}
