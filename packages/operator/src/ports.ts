import type { Primitives } from '@ocm/protocol'
import type { ApiClient } from './api/client.ts'
import type { Memory } from './vault/memory.ts'

/** What everything that talks to a hub is handed. */
export interface Ports {
  readonly p: Primitives
  readonly api: ApiClient
  readonly memory: Memory
  /** Milliseconds since 1970. */
  readonly now: () => number
}
