/** The built dashboard. Paths that are no file are pages of it, which its own router knows. */
import { existsSync } from 'node:fs'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { answerNotFound } from './errors.ts'

const NOT_PAGES = /^\/(api|link|healthz|readyz|metrics|assets)(\/|$|\?)/

export async function dashboardRoutes(server: FastifyInstance, directory: string | undefined) {
  if (directory === undefined || !existsSync(`${directory}/index.html`)) {
    server.setNotFoundHandler(answerNotFound)
    server.get('/', { schema: { hide: true } }, async (_request, reply) =>
      reply
        .type('text/plain; charset=utf-8')
        .send('The dashboard is not built: npm run build. The API is under /api.\n'),
    )
    return
  }
  await server.register(fastifyStatic, {
    root: directory,
    cacheControl: false,
    setHeaders(reply, path) {
      const hashed = path.startsWith(`${directory}/assets/`)
      void reply.header(
        'cache-control',
        hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      )
    },
  })
  server.setNotFoundHandler((request, reply) => {
    const page = request.method === 'GET' && !NOT_PAGES.test(request.url)
    if (page) void reply.header('cache-control', 'no-cache').sendFile('index.html')
    else answerNotFound(request, reply)
  })
}
