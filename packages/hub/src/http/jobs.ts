import {
  AuditEntry,
  base64url,
  Id,
  Job,
  JobLog,
  JobRequest,
  LastFence,
  OcmError,
  Strict,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { JobCatalog } from '../jobs/ports.ts'
import { lastFence } from '../jobs/last-fence.ts'
import { submit, type SubmitNeeds } from '../jobs/submit.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface JobNeeds extends SubmitNeeds {
  readonly jobs: JobCatalog
}

const ById = Strict({ id: Id })
const OfNode = Type.Object({ node: Type.Optional(Id) }, { additionalProperties: false })
/** An order carries a key for each pack; it has to fit into one message of the link. */
const ORDER_BYTES = 1024 * 1024
const AUDIT_ENTRIES = 1000

export function jobRoutes(api: FastifyInstance, needs: JobNeeds): void {
  const { jobs, runner, audit, now } = needs

  route(api, 'GET', '/jobs', { query: OfNode, answer: Type.Array(Job) }, async (request) =>
    (await jobs.jobs(request.query.node)).map(runner.now),
  )

  route(
    api,
    'POST',
    '/jobs',
    { body: JobRequest, answer: Job, bodyLimit: ORDER_BYTES },
    (request) => submit(needs, request.body, operatorOf(request).name),
  )

  const jobOf = async (id: string): Promise<Job> => {
    const stored = await jobs.job(id)
    if (!stored) throw new OcmError('not-found', { what: 'job' })
    return runner.now(stored.job)
  }

  route(api, 'GET', '/jobs/:id', { params: ById, answer: Job }, (request) =>
    jobOf(request.params.id),
  )

  route(api, 'POST', '/jobs/:id/cancel', { params: ById, answer: Job }, async (request) => {
    const { id } = await jobOf(request.params.id)
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'job-cancelled', subject: id })
    return runner.cancel(id)
  })

  route(api, 'GET', '/jobs/:id/log', { params: ById, answer: JobLog }, async (request) => {
    const { id } = await jobOf(request.params.id)
    return (await jobs.log(id)).map(({ at, sealed }) => ({ at, sealed: base64url(sealed) }))
  })

  route(
    api,
    'GET',
    '/nodes/:id/last-fence',
    { params: ById, answer: LastFence },
    async (request) => {
      const operators = needs.vault.current()?.record.operators ?? []
      const last = await lastFence(jobs, operators, request.params.id)
      return { order: last ? base64url(last.statement) : null }
    },
  )

  route(api, 'GET', '/audit', { answer: Type.Array(AuditEntry) }, () => audit.newest(AUDIT_ENTRIES))
}
