/** What only an agent does that is there for the length of one ssh session: it stays, or it leaves nothing behind. */
import { rm } from 'node:fs/promises'
import type { AgentSession } from '@ocm/protocol'
import { settle } from './settle/settle.ts'

export interface GuestParts {
  readonly stateDir: string
  /** The home of the account that runs OpenClaw, and of the one that this is. */
  readonly home: string
  readonly account: string
  readonly openclawBin?: string | undefined
  /** The one file that this agent is. */
  readonly program: string
}

export interface Guest {
  attach(session: AgentSession): void
  /** True when nothing is to be written on this node any more. */
  readonly isForgotten: boolean
  /** Removes what may have been written since; nothing when it was not asked to. */
  sweep(): Promise<void>
}

export interface GuestHooks {
  /** Answers when it is on disk where the hub is reached from now on. */
  readonly rehome: (urls: readonly string[]) => Promise<void>
  /** @throws OcmError 'node-busy' while something live is being changed: what is known of it is here alone */
  readonly checkAtRest: () => Promise<void>
  /** Removes what was kept for going back. @returns how many trees stay. @throws OcmError 'node-busy' */
  readonly leave: () => Promise<{ readonly kept: number }>
}

export function createGuest(parts: GuestParts, { rehome, checkAtRest, leave }: GuestHooks): Guest {
  let isForgotten = false
  const remove = () => rm(parts.stateDir, { recursive: true, force: true, maxRetries: 3 })
  return {
    attach(session) {
      session.handle('settle', async ({ urls }) => {
        await checkAtRest()
        return settle({ ...parts, rehome }, urls)
      })
      session.handle('forget', async () => {
        // First what only the journal knows of: cut off in between, it is asked for again.
        const left = await leave()
        isForgotten = true
        await remove()
        return left
      })
    },
    get isForgotten() {
      return isForgotten
    },
    async sweep() {
      if (isForgotten) await remove()
    },
  }
}
