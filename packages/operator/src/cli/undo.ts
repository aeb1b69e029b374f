/** `ocm undo` and `ocm release`: what was done last on a node is taken back, and a fenced node is let go. */
import { type NodeState, OcmError } from '@ocm/protocol'
import { doneOrThrow, followJob } from '../work/follow.ts'
import { type SignedOrder, startOrder } from '../work/order.ts'
import { findHeld, findUndoable, signTargetOff, signUndo, type Undoable } from '../work/undo.ts'
import { type Context, withVault } from './context.ts'
import { short, time } from './format.ts'
import { findNode } from './names.ts'
import { tellSteps } from './steps.ts'

export async function undo(context: Context, name: string): Promise<void> {
  const { terminal, ports } = context
  const nodes = await ports.api.nodes()
  const node = findNode(nodes, name)
  const order = await withVault(context, async (unlocked) => {
    const found = await findUndoable(ports, unlocked, node.id)
    terminal.say(`\n${whatIsUndone(found, node, nodes)}\n`)
    const sure = await terminal.approve(`Take it back on ${node.label}?`)
    return sure ? signUndo(ports, unlocked, found) : undefined
  })
  const job = await carryOut(context, order)
  terminal.result(job, `${node.label} is as it was before.`)
}

const labelIn = (nodes: readonly NodeState[], id: string) =>
  nodes.find((one) => one.id === id)?.label ?? short(id)

function whatIsUndone({ last }: Undoable, node: NodeState, nodes: readonly NodeState[]): string {
  const source = labelIn(nodes, last.source)
  const what = {
    restore: `The last apply on ${node.label} is a restore from one of its snapshots`,
    move: `The last apply on ${node.label} is the move of ${source} to it`,
    clone: `The last apply on ${node.label} is a clone of ${source}`,
  }[last.kind]
  const also =
    last.kind === 'move'
      ? `\n${node.label} is stopped first, and then ${source} runs again as it was when it was stopped.`
      : ''
  return (
    `${what}, done ${time(last.at)}.${also}\n` +
    `What OpenClaw has written on ${node.label} since then goes away: messages, sessions, cron jobs, settings. ` +
    'It lies aside on that machine until the next apply there.'
  )
}

export interface ReleaseOptions {
  readonly targetIsOff?: boolean
}

export async function release(
  context: Context,
  name: string,
  options: ReleaseOptions,
): Promise<void> {
  const { terminal, ports } = context
  if (options.targetIsOff !== true) {
    throw new OcmError('wrong-use', {
      what: 'A fenced node is let go only with --target-is-off: make sure that it is',
    })
  }
  const nodes = await ports.api.nodes()
  const node = findNode(nodes, name)
  const order = await withVault(context, async (unlocked) => {
    const held = await findHeld(ports, unlocked, node.id)
    const target = labelIn(nodes, held.fence.target)
    terminal.say(
      `\n${node.label} was stopped for its move to ${target}. You sign that ${target} is off for good: if it still runs, ` +
        'or is switched on again, both answer under one identity.\n',
    )
    const sure = await terminal.approve(`${target} is off. Run ${node.label} again?`)
    return sure ? signTargetOff(ports, unlocked, held) : undefined
  })
  const job = await carryOut(context, order)
  terminal.result(job, `${node.label} runs again as it was when it was stopped.`)
}

async function carryOut({ terminal, ports }: Context, order: SignedOrder | undefined) {
  if (order === undefined) throw new OcmError('declined')
  const { id } = await startOrder(ports.api, order)
  return doneOrThrow(await followJob(ports.api, id, tellSteps(terminal)))
}
