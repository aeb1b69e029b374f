/** The live sessions, at most one a node. */
import type { ErrorCode, Facts, HubSession } from '@ocm/protocol'

export interface Links {
  /** The session takes the place of an older one, which is told so. */
  add(node: string, session: HubSession): void
  get(node: string): HubSession | undefined
  /** Ends the conversation with a node, if there is one, and tells the agent why. */
  close(node: string, code: ErrorCode, facts?: Facts): void
  closeAll(code: ErrorCode): void
}

export function createLinks(): Links {
  const live = new Map<string, HubSession>()
  async function forgetWhenClosed(node: string, session: HubSession): Promise<void> {
    await session.closed
    if (live.get(node) === session) live.delete(node)
  }

  return {
    add(node, session) {
      live.get(node)?.close('link-replaced')
      live.set(node, session)
      void forgetWhenClosed(node, session)
    },
    get: (node) => live.get(node),
    close: (node, code, facts) => live.get(node)?.close(code, facts),
    closeAll(code) {
      for (const session of live.values()) session.close(code)
    },
  }
}
