/** A node is here: everything that it may ask is attached, and everybody who waits for it hears of it. */
import { type About, type HubSession, settleSequence } from '@ocm/protocol'
import type { Publish } from './events.ts'
import { jobOf, type ServingNeeds, serveJobs } from './jobs/serving.ts'
import type { Links } from './links/links.ts'
import type { NodeCatalog } from './nodes/ports.ts'
import type { Presence } from './nodes/presence.ts'
import { serveStoring, type StoringNeeds } from './nodes/storing.ts'
import type { Releases } from './releases/releases.ts'
import type { Schedules } from './schedules/schedules.ts'

export interface SessionNeeds extends ServingNeeds, Omit<StoringNeeds, 'checkJob'> {
  readonly nodes: NodeCatalog
  readonly links: Links
  readonly presence: Presence
  readonly releases: Releases
  readonly schedules: Schedules
  readonly publish: Publish
  readonly isClosing: () => boolean
}

/** Nothing may be awaited before the handlers are attached. */
export function serveSession(session: HubSession, about: About, needs: SessionNeeds): void {
  const { nodes, jobs, links, presence, releases, runner, schedules, publish, now, fault } = needs
  const id = about.welcome.node
  const node = { id, key: about.agentKey }
  links.add(id, session)
  serveStoring(session, node, {
    ...needs,
    checkJob: async (job, of) => void (await jobOf(jobs, job, of)),
  })
  serveJobs(session, node, needs)
  const settled = nodes.setSequence(id, settleSequence(about.welcome.seq))
  presence.opened(id, session)
  releases.came(id, session, about.hello.capabilities)
  publish({ kind: 'node-changed', node: id })
  settled
    .then(() => runner.came(id))
    .then(schedules.look)
    .catch(fault)
  const leave = async () => {
    await session.closed
    if (!presence.closed(id, session)) return
    releases.left(id)
    publish({ kind: 'node-changed', node: id })
    if (!needs.isClosing()) await nodes.lastSeen(id, now())
  }
  leave().catch(fault)
}
