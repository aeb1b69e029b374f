/** The agent that came over ssh stays: it installs itself on its node, dials the hub from then on, and is the same node. */
import { type NodeState, OcmError } from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import { eitherOf } from '../work/follow.ts'

/** The service manager there tries again every five seconds until the agent of the lease is gone. */
const PATIENCE_MS = 60_000
const ASK_AGAIN_MS = 500

export interface Adopted {
  readonly node: NodeState
  /** Its agent also runs while nobody is logged in there. */
  readonly lingers: boolean
}

/**
 * The node is to be connected.
 * @param urls where it reaches the hub.
 * @throws OcmError 'user-manager-missing', 'agent-not-installed'; 'agent-not-back' when it does not dial
 */
export async function adopt(
  { api, now }: Ports,
  node: string,
  urls: readonly string[],
): Promise<Adopted> {
  const { lingers } = await api.settleNode(node, urls)
  const never = new Promise<void>(() => undefined)
  for (const begun = now(); now() - begun < PATIENCE_MS;) {
    const state = await api.node(node)
    if (state.reach !== 'ssh' && state.online) return { node: state, lingers }
    await eitherOf(never, ASK_AGAIN_MS)
  }
  throw new OcmError('agent-not-back')
}
