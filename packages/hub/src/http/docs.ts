/** The API's own description, and pages to read it on. They load nothing from elsewhere. */
import { readFile } from 'node:fs/promises'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

/** Its pages put styles and a script into themselves. */
const CSP =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** To be called before the routes are made. */
export async function describeRoutes(server: FastifyInstance, version: string): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'OCM hub', version },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      },
      security: [{ token: [] }],
    },
  })
  server.get('/api/openapi.json', { schema: { hide: true } }, async () => server.swagger())
}

/** @param directory of the static files, where the package is bundled and cannot find them itself. */
export async function docPages(
  server: FastifyInstance,
  directory: string | undefined,
): Promise<void> {
  await server.register(swaggerUi, {
    routePrefix: '/api/docs',
    ...(directory !== undefined && {
      baseDir: directory,
      logo: { type: 'image/svg+xml', content: await readFile(`${directory}/logo.svg`) },
    }),
    uiConfig: { validatorUrl: null, supportedSubmitMethods: [] },
    staticCSP: CSP,
  })
}
