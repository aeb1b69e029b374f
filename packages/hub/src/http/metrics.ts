/** Figures for Prometheus, behind a login like everything else: scrape with an API token as bearer token. */
import type { FastifyInstance } from 'fastify'
import { OcmError, type Job, type NodeState, type RetentionState } from '@ocm/protocol'
import type { PackCounts } from '../keeping/ports.ts'

export interface MetricsNeeds {
  readonly nodes: () => Promise<readonly NodeState[]>
  readonly unfinished: () => Promise<readonly Job[]>
  readonly store: () => Promise<PackCounts>
  /** Since the start of the process. */
  readonly scrubbed: { readonly packs: number; readonly bytes: number; readonly found: number }
  readonly retention: () => Promise<RetentionState>
}

const OVERDUE_MS = 3_600_000

const isOverdue = ({ state, movedTo, schedule }: NodeState, now: number): boolean =>
  state === 'active' &&
  movedTo === null &&
  schedule !== undefined &&
  now - schedule.nextAt > OVERDUE_MS

export function metricsRoute(server: FastifyInstance, needs: MetricsNeeds): void {
  const { nodes, unfinished, scrubbed } = needs
  server.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    if (!request.operator) throw new OcmError('login-needed')
    const [all, jobs] = await Promise.all([nodes(), unfinished()])
    const [store, retention] = await Promise.all([needs.store(), needs.retention()])
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
      ...gauge('ocm_nodes_overdue', 'Nodes with a backup that was due more than an hour ago.', [
        ['', all.filter((node) => isOverdue(node, retention.now)).length],
      ]),
      ...gauge(
        'ocm_nodes_twins',
        'Active nodes that show the identity of another: two that speak as one.',
        [['', all.filter(({ twins = [] }) => twins.length > 0).length]],
      ),
      // Both nodes of one say so.
      ...gauge(
        'ocm_moves_unfenced',
        'Moves whose target may speak while the source is not fenced yet.',
        [['', new Set(fencesIn(all, 'owed').map(({ job }) => job)).size]],
      ),
      ...gauge('ocm_nodes_held', 'Fenced nodes of which no target has taken over: nobody speaks.', [
        ['', fencesIn(all, 'held').length],
      ]),
      ...gauge(
        'ocm_jobs_unfinished',
        'Jobs that have not ended.',
        countBy(jobs, ({ kind, state }) => `kind="${kind}",state="${state}"`),
      ),
      ...gauge(
        'ocm_snapshots',
        'Snapshots; those that are pruned can be taken back for the grace.',
        [
          ['state="kept"', store.snapshots],
          ['state="pruned"', store.pruned],
        ],
      ),
      ...gauge(
        'ocm_packs',
        'Stored packs; nothing that is not pruned refers to a tombstoned one.',
        [
          ['state="live"', store.live.packs],
          ['state="tombstoned"', store.tombstoned.packs],
        ],
      ),
      ...gauge('ocm_pack_bytes', 'Bytes of stored packs.', [
        ['state="live"', store.live.bytes],
        ['state="tombstoned"', store.tombstoned.bytes],
      ]),
      ...gauge('ocm_packs_damaged', 'Stored packs that are damaged or missing.', [
        ['', store.damaged],
      ]),
      ...gauge(
        'ocm_oldest_check_seconds',
        'When the pack was hashed that was not hashed for longest.',
        store.oldestCheckAt === null ? [] : [['', store.oldestCheckAt / 1000]],
      ),
      ...gauge(
        'ocm_prune_last_run_seconds',
        'When the hub last pruned by itself.',
        retention.ranAt === null ? [] : [['', retention.ranAt / 1000]],
      ),
      ...gauge('ocm_retention_held', '1 while the clock is not believed and nothing is pruned.', [
        ['', retention.held === null ? 0 : 1],
      ]),
      ...counter('ocm_scrubbed_packs_total', 'Packs hashed by the scrub.', scrubbed.packs),
      ...counter('ocm_scrubbed_bytes_total', 'Bytes hashed by the scrub.', scrubbed.bytes),
      ...counter('ocm_scrub_found_total', 'Packs that the scrub found bad.', scrubbed.found),
      ...gauge('process_resident_memory_bytes', 'Resident memory.', [
        ['', process.memoryUsage.rss()],
      ]),
    ]
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${lines.join('\n')}\n`)
  })
}

const fencesIn = (nodes: readonly NodeState[], state: 'owed' | 'held') =>
  nodes.flatMap(({ fence }) => (fence?.state === state ? [fence] : []))

/** Label values are ids and words of closed lists, so nothing has to be escaped. */
type Sample = readonly [labels: string, value: number]

const gauge = (name: string, help: string, samples: readonly Sample[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} gauge`,
  ...samples.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`),
]

const counter = (name: string, help: string, value: number): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} counter`,
  `${name} ${value}`,
]

const countBy = <T>(items: readonly T[], labelsOf: (item: T) => string): Sample[] =>
  [...Map.groupBy(items, labelsOf)].map(([labels, group]) => [labels, group.length])
