/** Which nodes are connected now, and who waits for one. */
import type { NodeConversation } from '@ocm/protocol'

export interface Presence {
  get(node: string): NodeConversation | undefined
  /** The conversation with a node, as soon as there is one. Rejects with the signal's reason. */
  whenOnline(node: string, signal: AbortSignal): Promise<NodeConversation>
  /** A newer conversation replaces the one before it. */
  opened(node: string, conversation: NodeConversation): void
  /** Answers false when another conversation has taken its place. */
  closed(node: string, conversation: NodeConversation): boolean
}

export function createPresence(): Presence {
  const online = new Map<string, NodeConversation>()
  const waiting = new Map<string, Set<(conversation: NodeConversation) => void>>()

  return {
    get: (node) => online.get(node),

    async whenOnline(node, signal) {
      signal.throwIfAborted()
      const now = online.get(node)
      if (now) return now
      const { promise, resolve, reject } = Promise.withResolvers<NodeConversation>()
      const waiters = waiting.get(node) ?? new Set()
      waiting.set(node, waiters.add(resolve))
      const abort = () => reject(signal.reason as Error)
      signal.addEventListener('abort', abort, { once: true })
      try {
        return await promise
      } finally {
        signal.removeEventListener('abort', abort)
        waiters.delete(resolve)
      }
    },

    opened(node, conversation) {
      online.set(node, conversation)
      for (const resolve of waiting.get(node) ?? []) resolve(conversation)
      waiting.delete(node)
    },

    closed(node, conversation) {
      if (online.get(node) !== conversation) return false
      online.delete(node)
      return true
    },
  }
}
