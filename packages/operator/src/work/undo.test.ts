/** What an operator signs to take something back, and what is refused before anything is signed. */
import { Order, readStatement, TargetOff, Undo } from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, expect, test } from 'vitest'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { type PaperNode, describeSelf, joinNode, takeSnapshot } from '../paper/node.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { prepareSetup } from '../vault/setup.ts'
import { issueTicket } from '../vault/ticket.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { prepareIn } from './operation.ts'
import { signOrder } from './order.ts'
import { findHeld, findUndoable, signTargetOff, signUndo } from './undo.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const ORDER = 'c'.repeat(64)

let hub: PaperHub
let unlocked: Unlocked
let alpha: PaperNode
let beta: PaperNode

async function join(label: string): Promise<PaperNode> {
  const { join: text } = await issueTicket(hub.ports, unlocked, { label, ttlMs: 60_000 })
  return joinNode(p, hub, label, { join: text, statement: hub.tickets.at(-1) ?? '' })
}

beforeEach(async () => {
  hub = paperHub(p)
  const { request } = await prepareSetup(p, {
    name: 'olivia',
    password: 'login-of-olivia',
    passphrase: PASSPHRASE,
    hubKey: hub.vault.hubKey,
    now: 0,
  })
  hub.accept(request)
  unlocked = await openVault(hub.ports, PASSPHRASE)
  alpha = await join('alpha')
  beta = await join('beta')
  unlocked = (await confirmNodes(hub.ports, unlocked)).unlocked
})

const lastApply = () =>
  ({ job: '1'.repeat(32), order: ORDER, kind: 'move', source: alpha.id, at: 5 }) as const
const operators = () => unlocked.record.operators.map(({ key }) => key)

test('an undo names what the node itself says was applied last, and the nonce of that answer', async () => {
  describeSelf(p, hub, unlocked.record, beta, { lastApply: lastApply() })
  const found = await findUndoable(hub.ports, unlocked, beta.id)
  expect(found.last).toMatchObject({ kind: 'move', source: alpha.id, at: 5 })
  const { kind, statement, job } = signUndo(hub.ports, unlocked, found)
  expect(kind).toBe('undo')
  const said = readStatement(p, 'undo', Undo, statement, operators())
  expect(said).toMatchObject({
    job,
    node: beta.id,
    undoes: ORDER,
    operator: unlocked.operator.id,
    minRecord: unlocked.record.serial,
  })
  expect(said.nonce).toEqual(found.node.description.nonce)
})

test('a node with nothing to take back, or one that is fenced, is not asked to', async () => {
  describeSelf(p, hub, unlocked.record, beta)
  await expect(findUndoable(hub.ports, unlocked, beta.id)).rejects.toMatchObject({
    code: 'undo-refused',
  })
  const fence = { job: '2'.repeat(32), order: ORDER, fenceEpoch: 7, target: alpha.id }
  describeSelf(p, hub, unlocked.record, beta, { lastApply: lastApply(), fence })
  await expect(findUndoable(hub.ports, unlocked, beta.id)).rejects.toMatchObject({
    code: 'source-fenced',
  })
})

test('that a target is off is signed for the very fence that its source says it is under', async () => {
  describeSelf(p, hub, unlocked.record, alpha)
  await expect(findHeld(hub.ports, unlocked, alpha.id)).rejects.toMatchObject({ code: 'not-found' })
  const fence = { job: '2'.repeat(32), order: ORDER, fenceEpoch: 7, target: beta.id }
  describeSelf(p, hub, unlocked.record, alpha, { fenced: true, fence })
  const held = await findHeld(hub.ports, unlocked, alpha.id)
  const { kind, statement } = signTargetOff(hub.ports, unlocked, held)
  expect(kind).toBe('release')
  const said = readStatement(p, 'target-off', TargetOff, statement, operators())
  expect(said).toMatchObject({ node: alpha.id, target: beta.id, order: ORDER, fenceEpoch: 7 })
})

test('a move from a node that is off asks it for nothing and says so in the order', async () => {
  const files = [{ path: 'config', content: '{}', travel: 'always' }] as const
  const snapshot = takeSnapshot(p, hub, unlocked.record, alpha, files)
  describeSelf(p, hub, unlocked.record, beta)
  const wish = { kind: 'move', source: alpha.id, target: beta.id, unfenced: true } as const
  const prepared = await prepareIn(hub.ports, unlocked, wish)
  expect(hub.jobs.size).toBe(0)
  const signed = await signOrder(hub.ports, unlocked, prepared)
  const order = readStatement(p, 'order', Order, signed.statement, operators())
  expect(order).toMatchObject({ kind: 'move', snapshot, unfenced: true })
  const clone = await prepareIn(hub.ports, unlocked, { ...wish, kind: 'clone' })
  const other = await signOrder(hub.ports, unlocked, clone)
  expect(readStatement(p, 'order', Order, other.statement, operators()).unfenced).toBeUndefined()
})
