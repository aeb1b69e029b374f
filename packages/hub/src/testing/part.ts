import {
  type AgentSession,
  OcmError,
  base64url,
  fromBase64url,
  fromCbor,
  hex,
  makeStatement,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { TestAgent } from './agent.ts'

/** What was asked of an agent, in order; and how it answers, when the test does not say otherwise. */
export interface Part {
  readonly asked: string[]
  /** Called before each answer; what it throws is the answer. */
  before: (method: string) => Promise<void> | void
  outcome: 'speak' | 'abort'
  /** What its trial answers; undefined when it does not know what that is. */
  trial: { readonly ready: boolean; readonly skipped?: true } | undefined
}
export const newPart = (): Part => ({
  asked: [],
  before: () => {},
  outcome: 'speak',
  trial: { ready: true },
})

export function play(part: Part): (session: AgentSession, agent: TestAgent) => void {
  // Its journal: it is there again after a lost link.
  const orders = new Map<string, string>()
  const fencedBy = new Map<string, Uint8Array>()
  const moves = new Set<string>()
  const asked = async (method: string) => {
    part.asked.push(method)
    await part.before(method)
  }
  return (session, agent) => {
    const sign = (kind: 'fenced' | 'speak' | 'abort', body: object) =>
      makeStatement(p, kind, { v: 1, ...body }, agent.key)

    session.handle('capture', async ({ job, trigger }) => {
      await asked('capture')
      return { snapshot: await agent.capture(job, [p.random(1000)], { trigger }) }
    })
    session.handle('stage', async ({ job, order }) => {
      await asked('stage')
      orders.set(job, order)
      if ((saidIn(order) as { kind: string }).kind === 'move') moves.add(orderHash(order))
      return { bytes: 1 }
    })
    session.handle('trial', async () => {
      await asked('trial')
      if (!part.trial) throw new OcmError('version-unsupported', { what: 'request' })
      return { ...part.trial, inventoryEqual: null, isolated: true }
    })
    session.handle('fence', async ({ job, order }) => {
      await asked('fence')
      let fenced = fencedBy.get(job)
      if (!fenced) {
        const snapshot = await agent.capture(job, [p.random(1000)], { trigger: 'move' })
        fenced = sign('fenced', {
          order: orderHash(order),
          node: agent.id,
          fenceEpoch: 1,
          snapshot,
          grant: new Uint8Array(),
        })
        fencedBy.set(job, fenced)
      }
      return { fenced: base64url(fenced) }
    })
    session.handle('activate', async ({ job, fenced }) => {
      await asked('activate')
      const spoke = part.outcome === 'speak'
      const body = {
        order: orderHash(orders.get(job) ?? ''),
        fenced: fenced === '' ? null : hex(p.sha256(fromBase64url(fenced))),
        node: agent.id,
      }
      return {
        outcome: base64url(
          spoke ? sign('speak', body) : sign('abort', { ...body, why: 'openclaw-unhealthy' }),
        ),
        spoke,
        code: spoke ? '' : 'openclaw-unhealthy',
        inventoryEqual: spoke,
        startedAt: Date.now(),
      }
    })
    session.handle('release', async () => {
      await asked('release')
      return {}
    })
    session.handle('undo', async ({ order }) => {
      await asked('undo')
      const { undoes } = saidIn(order) as { undoes: string }
      const wasMove = moves.has(undoes)
      const body = { order: undoes, fenced: null, node: agent.id, why: 'undone' }
      return { abort: wasMove ? base64url(sign('abort', body)) : '' }
    })
    session.handle('letGo', async () => {
      await asked('letGo')
      return {}
    })
    session.handle('discard', async () => {
      await asked('discard')
      return {}
    })
  }
}

const orderHash = (order: string) => hex(p.sha256(fromBase64url(order)))

/** What a statement says, believed as it is. */
const saidIn = (statement: string): unknown =>
  fromCbor((fromCbor(fromBase64url(statement), 'statement') as { b: Uint8Array }).b, 'statement')
