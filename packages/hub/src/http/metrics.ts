/** Figures for Prometheus, behind a login like everything else: scrape with an API token as bearer token. */
import type { FastifyInstance } from 'fastify'
import { OcmError, type Job, type NodeState } from '@ocm/protocol'

export interface MetricsNeeds {
  readonly nodes: () => Promise<readonly NodeState[]>
  readonly unfinished: () => Promise<readonly Job[]>
}

export function metricsRoute(server: FastifyInstance, { nodes, unfinished }: MetricsNeeds): void {
  server.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    if (!request.operator) throw new OcmError('login-needed')
    const [all, jobs] = await Promise.all([nodes(), unfinished()])
    const snapshots = all.flatMap(({ id, lastSnapshot }) =>
      lastSnapshot ? [{ id, at: lastSnapshot.receivedAt }] : [],
    )
    const lines = [
      ...gauge(
        'ocm_nodes',
        'Nodes by standing.',
        countBy(all, ({ state }) => `state="${state}"`),
      ),
      ...gauge('ocm_nodes_online', 'Nodes that are connected.', [
        ['', all.filter(({ online }) => online).length],
      ]),
      ...gauge(
        'ocm_last_snapshot_seconds',
        'When the newest snapshot of a node was taken in.',
        snapshots.map(({ id, at }) => [`node="${id}"`, at / 1000]),
      ),
      ...gauge(
        'ocm_jobs_unfinished',
        'Jobs that have not ended.',
        countBy(jobs, ({ kind, state }) => `kind="${kind}",state="${state}"`),
      ),
      ...gauge('process_resident_memory_bytes', 'Resident memory.', [
        ['', process.memoryUsage.rss()],
      ]),
    ]
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${lines.join('\n')}\n`)
  })
}

/** Label values are ids and words of closed lists, so nothing has to be escaped. */
type Sample = readonly [labels: string, value: number]

const gauge = (name: string, help: string, samples: readonly Sample[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} gauge`,
  ...samples.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`),
]

const countBy = <T>(items: readonly T[], labelsOf: (item: T) => string): Sample[] =>
  [...Map.groupBy(items, labelsOf)].map(([labels, group]) => [labels, group.length])
