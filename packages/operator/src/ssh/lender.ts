/** Who lends for one operation: what was asked for once is held in memory and lent again when a connection was lost. */
import {
  type Job,
  OcmError,
  type NodeState,
  type SshConnection,
  type SshCredential,
  type SshLease,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { connectedOrThrow, endQuietly, lend } from './lease.ts'
import { lentOf, wipe } from './lent.ts'
import { connectionIn, credentialIn } from './stored.ts'

export interface LenderHooks {
  /** Asked once for each node that has no stored credential. */
  readonly credential: (node: NodeState, connection: SshConnection) => Promise<SshCredential>
  readonly onLease?: (node: NodeState, lease: SshLease) => void
  /** A job asks again and lending failed: the job waits, and somebody has to look. */
  readonly onFailed?: (node: NodeState, error: unknown) => void
}

export interface Lender {
  /** Answers when each of these nodes is connected that is reached over ssh. */
  connect(nodes: readonly string[]): Promise<void>
  /** For whoever follows a job: lends again when it waits for a node that was lent for. */
  heed(job: Job): void
  /** Lends no more, and wipes what is held: at once, or when the loan is over that is under way. Leases go on to their end. */
  forget(): void
  /** The same, and ends its leases; what is being lent is waited for. */
  close(): Promise<void>
}

/** A host that lets go again and again is not dialled without end. */
const MOST_AGAIN = 5

interface Held {
  readonly node: NodeState
  readonly connection: SshConnection
  readonly credential: SshCredential
  again: number
}

export function createLender(ports: Ports, unlocked: Unlocked, hooks: LenderHooks): Lender {
  const { api } = ports
  const held = new Map<string, Held>()
  const leases = new Set<string>()
  const lending = new Map<string, Promise<void>>()
  let gone = false

  async function hold(node: NodeState): Promise<Held> {
    if (gone) throw new OcmError('ssh-lease-ended')
    const known = held.get(node.id)
    if (known !== undefined) return known
    const stored = await api.sshOf(node.id)
    const connection = await connectionIn(ports, unlocked, node.id, stored)
    if (connection === undefined) throw new OcmError('ssh-host-key-unknown')
    if (connection.method === 'agent') throw new OcmError('ssh-dial-only')
    const credential =
      (await credentialIn(ports, unlocked, node.id, stored)) ??
      (await hooks.credential(node, connection))
    if (gone) {
      wipe(credential)
      throw new OcmError('ssh-lease-ended')
    }
    const fresh = { node, connection, credential, again: 0 }
    held.set(node.id, fresh)
    return fresh
  }

  async function lendFor({ node, connection, credential }: Held): Promise<void> {
    const lent = lentOf(connection, credential)
    const lease = await lend(ports, { node: node.id, purpose: 'work' }, lent, (now) =>
      hooks.onLease?.(node, now),
    )
    connectedOrThrow(lease)
    leases.add(lease.id)
  }

  /** Once at a time for each node. */
  function lendOnce(one: Held): Promise<void> {
    const { id } = one.node
    const going = lending.get(id) ?? lendFor(one).finally(() => lending.delete(id))
    lending.set(id, going)
    return going
  }

  function forget() {
    gone = true
    for (const [id, { credential }] of held) {
      const over = () => wipe(credential)
      const going = lending.get(id)
      // It is sealed out of these very bytes, which must not be zeroes by then.
      if (going === undefined) over()
      else void going.then(over, over)
    }
    held.clear()
  }

  return {
    async connect(ids) {
      const nodes = await api.nodes()
      const wanted = nodes.filter(({ id, reach, online }) => {
        return ids.includes(id) && reach === 'ssh' && !online
      })
      // One after the other: each may ask somebody something.
      for (const node of wanted) await hold(node)
      await Promise.all(wanted.map(async (node) => lendOnce(await hold(node))))
    },

    heed({ asks = [] }) {
      for (const one of asks.flatMap((id) => held.get(id) ?? [])) {
        if (one.again >= MOST_AGAIN || lending.has(one.node.id)) continue
        one.again++
        lendOnce(one).catch((error: unknown) => {
          // Another attempt with what was refused is only that much closer to a locked account.
          one.again = MOST_AGAIN
          hooks.onFailed?.(one.node, error)
        })
      }
    },

    forget,

    async close() {
      const going = [...lending.values()]
      forget()
      // A lease that connects only now is to be ended too.
      await Promise.allSettled(going)
      for (const id of leases) await endQuietly(api, id)
    },
  }
}
