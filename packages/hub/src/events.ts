/** What just changed, from whoever changed it to the live sockets. */
import type { LiveEvent } from '@ocm/protocol'

export type Publish = (event: LiveEvent) => void

export interface Events {
  readonly publish: Publish
  /** Answers a function that ends it. */
  subscribe(listener: Publish): () => void
}

export function createEvents(): Events {
  const listeners = new Set<Publish>()
  return {
    publish(event) {
      for (const listener of listeners) listener(event)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
