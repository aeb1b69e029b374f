/** For whoever watches the hub: is it there, and can it take a backup now. */
import type { FastifyInstance } from 'fastify'

export interface HealthNeeds {
  /** Each rejects when what it asks cannot be written. */
  readonly probes: Readonly<Record<string, () => Promise<void>>>
}

export function healthRoutes(server: FastifyInstance, { probes }: HealthNeeds): void {
  server.get('/healthz', async () => ({ ok: true }))

  server.get('/readyz', async (request, reply) => {
    const parts: Record<string, boolean> = {}
    for (const [name, probe] of Object.entries(probes)) {
      try {
        await probe()
        parts[name] = true
      } catch (error) {
        request.log.error({ err: error, part: name }, 'not ready')
        parts[name] = false
      }
    }
    const ok = Object.values(parts).every(Boolean)
    return reply.status(ok ? 200 : 503).send({ ok, ...parts })
  })
}
