/** `ocm undo` and `ocm release`: what was done last on a node is taken back, and a fenced node is let go. */
import { type Job, type NodeState, OcmError } from '@ocm/protocol'
import type { Lender } from '../ssh/lender.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { doneOrThrow, followJob } from '../work/follow.ts'
import { type SignedOrder, startOrder } from '../work/order.ts'
import {
  type Undoable,
  findHeld,
  findUndoable,
  nodesOfUndo,
  signTargetOff,
  signUndo,
} from '../work/undo.ts'
import { type Context, withVault } from './context.ts'
import { short, time } from './format.ts'
import { lenderAt } from './lending.ts'
import { findNode } from './names.ts'
import type { CredentialOptions } from './ssh-secrets.ts'
import { tellSteps } from './steps.ts'

export async function undo(
  context: Context,
  name: string,
  options: CredentialOptions,
): Promise<void> {
  const { terminal, ports } = context
  const nodes = await ports.api.nodes()
  const node = findNode(nodes, name)
  const job = await ordered(context, options, async (unlocked, lender) => {
    await lender.connect([node.id])
    const found = await findUndoable(ports, unlocked, node.id)
    await lender.connect(await nodesOfUndo(ports, found))
    terminal.say(`\n${whatIsUndone(found, node, nodes)}\n`)
    const sure = await terminal.approve(`Take it back on ${node.label}?`)
    return sure ? signUndo(ports, unlocked, found) : undefined
  })
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

export interface ReleaseOptions extends CredentialOptions {
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
  const job = await ordered(context, options, async (unlocked, lender) => {
    await lender.connect([node.id])
    const held = await findHeld(ports, unlocked, node.id)
    const target = labelIn(nodes, held.fence.target)
    terminal.say(
      `\n${node.label} was stopped for its move to ${target}. You sign that ${target} is off for good: if it still runs, ` +
        'or is switched on again, both answer under one identity.\n',
    )
    const sure = await terminal.approve(`${target} is off. Run ${node.label} again?`)
    return sure ? signTargetOff(ports, unlocked, held) : undefined
  })
  terminal.result(job, `${node.label} runs again as it was when it was stopped.`)
}

/**
 * The vault is closed as soon as the order is signed; what is lent lasts as long as its job.
 * @throws OcmError 'declined', and what ended the job
 */
async function ordered(
  context: Context,
  options: CredentialOptions,
  sign: (unlocked: Unlocked, lender: Lender) => Promise<SignedOrder | undefined>,
): Promise<Job> {
  const { terminal, ports } = context
  let lender: Lender | undefined
  try {
    const order = await withVault(context, (unlocked) =>
      sign(unlocked, (lender = lenderAt(context, unlocked, options))),
    )
    if (order === undefined) throw new OcmError('declined')
    const { id } = await startOrder(ports.api, order)
    const tell = tellSteps(terminal)
    const job = await followJob(ports.api, id, (now) => {
      tell(now)
      lender?.heed(now)
    })
    return doneOrThrow(job)
  } finally {
    await lender?.close()
  }
}
