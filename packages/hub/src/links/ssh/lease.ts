/** One lease: a borrower, what it was lent, and the link that came of it. */
import { closeSync, constants, openSync } from 'node:fs'
import {
  type HubSession,
  LEASE_MS,
  OcmError,
  type SshLease,
  type WireError,
  fromBase64url,
  fromWireError,
  toWireError,
} from '@ocm/protocol'
import { linkOverPipes } from './carrier.ts'
import { type Borrower, startBorrower } from './borrower.ts'
import type { FromBorrower, Task } from './borrower/words.ts'
import type { LeaseNeeds } from './leases.ts'

export interface LeaseWish {
  readonly id: string
  readonly node: string | null
  readonly purpose: SshLease['purpose']
  readonly origin: SshLease['origin']
  readonly by: string
  readonly task: Task
}

export const isOver = ({ state }: Pick<SshLease, 'state'>): boolean =>
  state === 'released' || state === 'failed'

/** @param changed told of every change. */
export class Lease {
  readonly #needs: LeaseNeeds
  readonly #changed: (lease: SshLease) => void
  readonly #task: Task
  #shown: SshLease
  #borrower: Borrower | undefined
  #session: HubSession | undefined
  #link: ReturnType<typeof linkOverPipes> | undefined
  #timer: NodeJS.Timeout
  #ending: Promise<void> | undefined

  constructor(needs: LeaseNeeds, wish: LeaseWish, changed: (lease: SshLease) => void) {
    this.#needs = needs
    this.#changed = changed
    this.#task = wish.task
    const since = needs.now()
    const { id, node, purpose, origin, by } = wish
    this.#shown = {
      id,
      node,
      job: null,
      purpose,
      state: 'asked',
      held: false,
      origin,
      by,
      since,
      until: since + LEASE_MS,
      endedAt: null,
      problem: null,
      hostKeys: [],
    }
    this.#timer = setTimeout(() => this.#timeIsUp(), LEASE_MS)
  }

  get shown(): SshLease {
    return this.#shown
  }

  /** @returns the borrower's key. @throws OcmError 'ssh-borrower-failed' */
  async begin(): Promise<string> {
    try {
      const borrower = await startBorrower(this.#task, {
        said: (words) => this.#heed(words),
        gone: () => void this.#end('failed', new OcmError('ssh-borrower-failed')),
      })
      this.#borrower = borrower
      // Let go of before there was anything to end.
      if (this.#ending) {
        await borrower.end()
        throw new OcmError('ssh-lease-ended')
      }
      return borrower.key
    } catch (error) {
      await this.#end('failed', error)
      throw error
    }
  }

  /** @throws OcmError 'ssh-lease-ended' when it was lent before, or is over. */
  lend(sealed: string): void {
    this.#dialling()
    this.#borrower?.tell({ do: 'lent', sealed })
  }

  delegated(node: string, sealed: string, keyFile: string): void {
    this.#dialling()
    this.#borrower?.tell({ do: 'delegated', sealed, node, keyFile })
  }

  /** Answers when the borrower is gone, and ssh with it. */
  release(): Promise<void> {
    return this.#end('released', null)
  }

  #dialling(): void {
    if (this.#shown.state !== 'asked' || !this.#borrower) throw new OcmError('ssh-lease-ended')
    this.#be({ state: 'dialling', held: true })
  }

  #timeIsUp(): void {
    const { state } = this.#shown
    if (state === 'asked') void this.#end('released', null)
    else if (state === 'dialling') void this.#end('failed', new OcmError('ssh-lease-ended'))
    else void this.#releaseAtRest()
  }

  async #releaseAtRest(): Promise<void> {
    try {
      if (!(await this.#needs.isAtWork(this.#shown.node))) await this.#end('released', null)
    } catch (error) {
      this.#needs.fault(error)
    }
  }

  #heed(words: Exclude<FromBorrower, { said: 'key' | 'room' | 'ssh' }>): void {
    switch (words.said) {
      case 'keys':
        this.#be({ hostKeys: [...words.keys] })
        void this.#end('released', null)
        break
      case 'failed':
        void this.#end('failed', fromWireError(words as WireError))
        break
      case 'ready':
        this.#take(words).catch((error: unknown) => this.#end('failed', error))
        break
      case 'over':
        // What ssh has sent last is still to be read: the link ends by itself when the pipe does.
        break
    }
  }

  async #take({ input, output, rest }: Extract<FromBorrower, { said: 'ready' }>): Promise<void> {
    const from = openSync(output, constants.O_RDONLY | constants.O_NONBLOCK)
    let to: number
    try {
      to = openSync(input, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (cause) {
      closeSync(from)
      throw new OcmError('link-lost', {}, { cause }) // ssh is gone already.
    }
    this.#borrower?.tell({ do: 'taken' })
    this.#be({ held: false })
    const { p, clock, identity, accept, fault } = this.#needs
    const link = linkOverPipes(
      p,
      { input: to, output: from, rest: fromBase64url(rest) },
      {
        clock,
        identity,
        accept,
        fault,
        onSession: (session, about) => {
          const { node } = about.welcome
          const wanted = this.#shown.node
          if (wanted !== null && wanted !== node) {
            session.close('ssh-other-node')
            void this.#end('failed', new OcmError('ssh-other-node'))
            return
          }
          this.#session = session
          this.#needs.onSession(session, about)
          this.#be({ state: 'connected', node })
        },
      },
    )
    this.#link = link
    const session = await link.session
    const why = await session.closed
    const isLost = why.code === 'link-lost' && (await this.#needs.isAtWork(this.#shown.node))
    await this.#end(isLost ? 'failed' : 'released', isLost ? why : null)
  }

  #end(state: 'released' | 'failed', error: unknown): Promise<void> {
    this.#ending ??= this.#endOnce(state, error)
    return this.#ending
  }

  async #endOnce(state: 'released' | 'failed', error: unknown): Promise<void> {
    clearTimeout(this.#timer)
    this.#session?.close('link-lost')
    await this.#borrower?.end()
    this.#link?.destroy()
    const problem = error === null ? null : toWireError(error)
    if (problem?.code === 'internal') this.#needs.fault(error)
    this.#be({
      state,
      held: false,
      endedAt: this.#needs.now(),
      problem: problem && { code: problem.code, facts: { ...problem.facts } },
    })
  }

  #be(change: Partial<SshLease>): void {
    this.#shown = { ...this.#shown, ...change }
    this.#changed(this.#shown)
  }
}
