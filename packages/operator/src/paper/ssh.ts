/** Leases of a hub that is one object: its borrowers open what they are lent, and connect unless they are told otherwise. */
import {
  type KeyPair,
  type NodeState,
  OcmError,
  type Primitives,
  type SshLease,
  type SshLent,
  type SshNode,
  type SshNodePut,
  base64url,
  fromBase64url,
  newId,
  openLent,
} from '@ocm/protocol'

export interface PaperSsh {
  readonly p: Primitives
  /** How nodes are reached, by their id. */
  readonly nodes: Map<string, SshNode>
  /** The newest first. */
  leases: SshLease[]
  /** What borrowers were lent, the newest last. */
  readonly lent: SshLent[]
  readonly borrowers: Map<string, KeyPair>
  /** Why the next connections fail; they are made when it is empty. */
  fails: string
  /** What a look finds. */
  hostKeys: string[]
  readonly delegate: KeyPair
}

export const paperSsh = (p: Primitives): PaperSsh => ({
  p,
  nodes: new Map(),
  leases: [],
  lent: [],
  borrowers: new Map(),
  fails: '',
  hostKeys: [],
  delegate: p.x25519Pair(),
})

interface Hub {
  nodes: NodeState[]
  readonly ssh: PaperSsh
}

/** @param path without `api`: ssh/leases/ID, nodes/ID/ssh. */
export function answerSsh(
  hub: Hub,
  method: string,
  [thing = '', one = '', two = '', act = '']: readonly string[],
  body: unknown,
): unknown {
  const { ssh } = hub
  if (thing === 'nodes') return stored(ssh, method, one, body as SshNodePut)
  if (method === 'GET') return ssh.leases
  if (method === 'DELETE') return change(hub, two, { state: 'released', endedAt: 0, held: false })
  if (act === 'lend') return lendTo(hub, two, (body as { sealed: string }).sealed)
  const borrower = ssh.p.x25519Pair()
  const { node, purpose } = body as Pick<SshLease, 'node' | 'purpose'>
  const lease: SshLease = { ...NEW, id: newId(ssh.p), node, purpose }
  ssh.borrowers.set(lease.id, borrower)
  ssh.leases = [lease, ...ssh.leases]
  return { lease: lease.id, key: base64url(borrower.public), until: lease.until }
}

function stored(ssh: PaperSsh, method: string, node: string, put: SshNodePut): SshNode {
  const before = ssh.nodes.get(node) ?? {
    connection: null,
    credential: null,
    delegation: null,
    delegateTo: base64url(ssh.delegate.public),
  }
  if (method === 'PUT') {
    const { delegation, ...rest } = put
    const given = delegation == null ? null : { since: 0, by: 'olivia' }
    ssh.nodes.set(node, {
      ...before,
      ...rest,
      ...(delegation === undefined ? {} : { delegation: given }),
    })
  }
  return ssh.nodes.get(node) ?? before
}

function lendTo(hub: Hub, id: string, sealed: string): SshLease {
  const { ssh } = hub
  const borrower = ssh.borrowers.get(id)
  if (borrower === undefined) throw new OcmError('not-found', { what: 'lease' })
  ssh.lent.push(openLent(ssh.p, borrower, id, fromBase64url(sealed)))
  if (ssh.fails !== '') {
    return change(hub, id, {
      state: 'failed',
      endedAt: 0,
      problem: { code: ssh.fails, facts: {} },
    })
  }
  const { purpose, node } = ssh.leases.find((lease) => lease.id === id) ?? NEW
  if (purpose === 'look') {
    return change(hub, id, { state: 'released', endedAt: 0, hostKeys: ssh.hostKeys })
  }
  hub.nodes = hub.nodes.map((one) => (one.id === node ? { ...one, online: true } : one))
  return change(hub, id, { state: 'connected' })
}

function change({ ssh }: Hub, id: string, to: Partial<SshLease>): SshLease {
  ssh.leases = ssh.leases.map((lease) => (lease.id === id ? { ...lease, ...to } : lease))
  const changed = ssh.leases.find((lease) => lease.id === id)
  if (changed === undefined) throw new OcmError('not-found', { what: 'lease' })
  return changed
}

const NEW: SshLease = {
  id: '',
  node: null,
  job: null,
  purpose: 'work',
  state: 'asked',
  held: false,
  origin: 'lent',
  by: 'olivia',
  since: 0,
  until: 1,
  endedAt: null,
  problem: null,
  hostKeys: [],
}
