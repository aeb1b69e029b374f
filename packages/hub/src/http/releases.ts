/** The release of the agent that is offered to nodes. */
import { MaybeRelease, ReleaseState, SetRelease, Strict } from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import type { Audit } from '../people/ports.ts'
import type { Releases } from '../releases/releases.ts'
import { bytesOf } from './bytes.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface ReleaseNeeds {
  readonly releases: Releases
  readonly audit: Audit
  readonly now: () => number
}

/** Of a program of at most 16 MiB, as text. */
const MOST_BYTES = 24 * 1024 * 1024

export function releaseRoutes(api: FastifyInstance, { releases, audit, now }: ReleaseNeeds): void {
  route(api, 'GET', '/agent-release', { answer: MaybeRelease }, async () => releases.state())

  route(
    api,
    'PUT',
    '/agent-release',
    { body: SetRelease, answer: ReleaseState, bodyLimit: MOST_BYTES },
    async (request) => {
      const state = await releases.offer(bytesOf(request.body.release, 'release'))
      const actor = operatorOf(request).name
      const subject = String(state.serial)
      await audit.note({ at: now(), actor, action: 'agent-release-offered', subject })
      return state
    },
  )

  route(api, 'DELETE', '/agent-release', { answer: Strict({}) }, async (request) => {
    const subject = String(releases.state()?.serial ?? '')
    await releases.withdraw()
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'agent-release-withdrawn', subject })
    return {}
  })
}
