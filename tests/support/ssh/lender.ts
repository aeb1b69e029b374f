/** Lends as the dashboard does: over the hub's own API, sealed to the borrower of one lease. */
import {
  type SshAuth,
  type SshConnection,
  type SshLease,
  type SshLeaseIssued,
  type SshLent,
  base64url,
  fromBase64url,
  sealLent,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { PASSWORD } from '../programs.ts'
import { until } from '../until.ts'
import type { Account, TestSshd } from './sshd.ts'

export interface TestLender {
  api<T>(method: string, path: string, body?: unknown): Promise<T>
  lease(node: string | null, purpose?: SshLease['purpose']): Promise<SshLeaseIssued>
  lendFor(issued: SshLeaseIssued, lent: Omit<SshLent, 'v'>): Promise<SshLease>
  /** Lends, and answers the lease when it is connected or over. */
  lend(node: string | null, lent: Omit<SshLent, 'v'>): Promise<SshLease>
  look(connection: SshConnection): Promise<SshLease>
  /** As it is now. */
  get(id: string): Promise<SshLease>
  release(id: string): Promise<SshLease>
}

export const password = (text: string): SshAuth => ({
  kind: 'password',
  password: Buffer.from(text),
})

export const connectionTo = (
  sshd: TestSshd,
  account: Account,
  more: Partial<SshConnection> = {},
): SshConnection => ({
  v: 1,
  host: '127.0.0.1',
  port: sshd.port,
  user: account.name,
  hostKeys: [...sshd.hostKeys],
  method: 'password',
  ...more,
})

const isSettled = ({ state }: SshLease) => state !== 'asked' && state !== 'dialling'

export async function logInAs(url: string, name: string): Promise<TestLender> {
  const headers = { origin: url }
  const login = await fetch(`${url}/api/login`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: PASSWORD }),
  })
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''

  async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const hasBody = method !== 'GET' && method !== 'DELETE'
    const answer = await fetch(`${url}/api${path}`, {
      method,
      headers: { ...headers, cookie, ...(hasBody && { 'content-type': 'application/json' }) },
      ...(hasBody && { body: JSON.stringify(body ?? {}) }),
    })
    const value = (await answer.json()) as T & { readonly code?: string }
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.code}`)
    return value
  }
  const get = async (id: string) => {
    const found = (await api<SshLease[]>('GET', '/ssh/leases')).find((one) => one.id === id)
    if (!found) throw new Error(`there is no lease ${id}`)
    return found
  }
  const lease: TestLender['lease'] = (node, purpose = 'work') =>
    api<SshLeaseIssued>('POST', '/ssh/leases', { node, purpose })

  async function lendFor(issued: SshLeaseIssued, lent: Omit<SshLent, 'v'>): Promise<SshLease> {
    const sealed = sealLent(p, fromBase64url(issued.key), issued.lease, { v: 1, ...lent })
    await api('POST', `/ssh/leases/${issued.lease}/lend`, { sealed: base64url(sealed) })
    let now = await get(issued.lease)
    await until(
      async () => {
        now = await get(issued.lease)
        return isSettled(now)
      },
      { timeoutMs: 60_000, what: 'the lease is connected or over', everyMs: 50 },
    )
    return now
  }
  return {
    api,
    lease,
    lendFor,
    get,
    lend: async (node, lent) => lendFor(await lease(node), lent),
    look: async (connection) => lendFor(await lease(null, 'look'), { connection }),
    release: (id) => api<SshLease>('DELETE', `/ssh/leases/${id}`),
  }
}
