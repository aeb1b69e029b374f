import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type Job,
  LEASE_MS,
  type LiveEvent,
  type SshLease,
  type SshLent,
  newId,
  sealDelegation,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { delegateKey } from '../../delegate-key.ts'
import { createLeases } from './leases.ts'
import { isOver } from './lease.ts'
import type { SshEntry } from './ports.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const close of open.splice(0).toReversed()) await close()
})

const borrowers = () =>
  execFileSync(
    'sh',
    ['-c', 'ps -o args= --ppid "$1" | grep -c "[t]hread.ts"; exit 0', 'sh', `${process.pid}`],
    {
      encoding: 'utf8',
    },
  ).trim()

async function pool(
  entries: readonly SshEntry[] = [],
  fault: (error: unknown) => void = (error) => expect.fail(String(error)),
) {
  const data = mkdtempSync(join(tmpdir(), 'ocm-leases-'))
  open.push(() => rmSync(data, { recursive: true, force: true }))
  const bundle = join(data, 'agent.mjs')
  writeFileSync(bundle, 'process.exit(0)')
  const key = await delegateKey(p, data)
  const told: SshLease[] = []
  const kept: SshEntry[] = []
  const atWork = new Map<string, string>()
  const listeners: ((event: LiveEvent) => void)[] = []
  const leases = createLeases({
    p,
    clock: { now: () => performance.now(), setTimeout, clearTimeout },
    now: () => Date.now(),
    identity: p.ed25519Pair(),
    accept: () => Promise.reject(new Error('nobody comes')),
    onSession: () => {},
    fault,
    data,
    bundle,
    nodes: {
      all: () => Promise.resolve(new Set(entries.map(({ node }) => node))),
      one: (node) => Promise.resolve(entries.find((entry) => entry.node === node)),
      put: (entry) => Promise.resolve(void kept.push(entry)),
      mark: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    },
    delegateKeyFile: key.file,
    publish: (event: LiveEvent) => {
      if (event.kind === 'lease-changed') told.push(event.lease)
    },
    subscribe(listener) {
      listeners.push(listener)
      return () => {}
    },
    jobsAtWork: () => Promise.resolve(atWork),
    isOnline: () => false,
    most: 2,
  })
  open.push(() => leases.stop())
  const ended = async (id: string) => {
    for (let i = 0; i < 500; i++) {
      const lease = told.find((one) => one.id === id && isOver(one))
      if (lease) return lease
      await pause(20)
    }
    throw new Error('the lease does not end')
  }
  const jobChanged = (job: Pick<Job, 'id' | 'kind' | 'node' | 'source' | 'state'>) => {
    for (const listener of listeners) listener({ kind: 'job-changed', job: job as Job })
  }
  return { leases, told, kept, atWork, ended, data, bundle, delegateTo: key.public, jobChanged }
}

const ask = { node: null, purpose: 'work' } as const

/** Where nobody listens: it gets as far as ssh. */
const nowhere: SshLent = {
  v: 1,
  connection: {
    v: 1,
    host: '127.0.0.1',
    port: 1,
    user: 'nobody',
    hostKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    method: 'password',
  },
  auth: { kind: 'password', password: Buffer.from('lent') },
}

describe('the pool', () => {
  it('has so many at once, and place again for one that was let go of', async () => {
    const { leases } = await pool()
    const [first] = await Promise.all([leases.issue(ask, 'ada'), leases.issue(ask, 'ada')])
    await expect(leases.issue(ask, 'ada')).rejects.toMatchObject({
      code: 'ssh-busy',
      facts: { most: 2 },
    })
    expect(borrowers()).toBe('2')
    await leases.release(first.lease)
    expect(borrowers()).toBe('1')
    await expect(leases.issue(ask, 'ada')).resolves.toHaveProperty('key')
  })

  it('ends what nobody lends to after a quarter of an hour, and its process', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { leases, ended } = await pool()
    const { lease, until } = await leases.issue(ask, 'ada')
    expect(until - Date.now()).toBeLessThanOrEqual(LEASE_MS)
    vi.advanceTimersByTime(LEASE_MS - 1_000)
    expect(await leases.list()).toMatchObject([{ id: lease, state: 'asked' }])
    vi.advanceTimersByTime(1_000)
    expect(await ended(lease)).toMatchObject({ state: 'released', held: false, problem: null })
    expect(borrowers()).toBe('0')
    expect(() => leases.lend(lease, 'AAAA')).toThrow(
      expect.objectContaining({ code: 'ssh-lease-ended' }),
    )
  })

  it('dials a node that is delegated to the hub, when there is room, and asks nobody', async () => {
    const node = newId(p)
    const sealed = {
      node,
      connection: null,
      credential: null,
      delegation: null as SshEntry['delegation'],
    }
    const { leases, told, ended, delegateTo } = await pool([sealed])
    sealed.delegation = {
      sealed: sealDelegation(p, delegateTo, node, nowhere),
      since: 0,
      by: 'ada',
    }
    const taken = await Promise.all([leases.issue(ask, 'ada'), leases.issue(ask, 'ada')])
    expect(await leases.wanted(node)).toBe(false)
    expect(told.filter((one) => one.node === node)).toEqual([])
    await leases.release(taken[0].lease)
    const begun = () => told.find((one) => one.node === node)
    while (!begun()) await pause(20)
    const { id } = begun() as SshLease
    expect(await ended(id)).toMatchObject({
      origin: 'delegated',
      by: 'ada',
      state: 'failed',
      held: false,
      problem: { code: 'ssh-unreachable' },
    })
  })

  it('ends a borrower that has not begun yet when its lease is let go of', async () => {
    const { leases } = await pool()
    const issued = leases.issue(ask, 'ada').catch((error: unknown) => error)
    let begun: SshLease | undefined
    for (; !begun; await pause(1)) [begun] = await leases.list()
    await leases.release(begun.id)
    expect(await issued).toMatchObject({ code: 'ssh-lease-ended' })
    expect(borrowers()).toBe('0')
  })

  it('knows that a move is at work on both of its nodes', async () => {
    const { leases, jobChanged } = await pool()
    const [job, node, source] = [newId(p), newId(p), newId(p)]
    const { lease } = await leases.issue({ node: source, purpose: 'work' }, 'ada')
    jobChanged({ id: job, kind: 'move', node, source, state: 'running' })
    expect(await leases.release(lease)).toMatchObject({ node: source, job })
  })

  it('drops what is kept of a node that is revoked, and ends its lease', async () => {
    const node = newId(p)
    const [connection, credential, sealed] = [1, 2, 3].map((byte) => Uint8Array.of(byte))
    const entry = { node, connection, credential, delegation: { sealed, since: 0, by: 'ada' } }
    const { leases, kept, told } = await pool([entry as SshEntry])
    const { lease } = await leases.issue({ node, purpose: 'work' }, 'ada')
    await leases.lockOut(node)
    expect(kept).toEqual([{ node, connection, credential: null, delegation: null }])
    expect(told.at(-1)).toMatchObject({ id: lease, state: 'released' })
  })

  it('dials a delegated node again that is out of reach, and asks when that cannot help', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const node = newId(p)
    const entry = { node, connection: null, credential: null, delegation: null }
    const sealed: { -readonly [K in keyof SshEntry]: SshEntry[K] } = entry
    const { leases, told, ended, atWork, delegateTo } = await pool([sealed])
    const delegate = (to: string) =>
      (sealed.delegation = {
        sealed: sealDelegation(p, delegateTo, to, nowhere),
        since: 0,
        by: 'ada',
      })
    const asks = vi.fn<() => Promise<void>>(() => Promise.resolve())
    const next = async (after: readonly string[]) => {
      for (;;) {
        const lease = told.find(({ id }) => !after.includes(id))
        if (lease) return ended(lease.id)
        await pause(20)
      }
    }
    atWork.set(node, newId(p))
    delegate(node)
    await leases.wanted(node, asks)
    const first = await next([])
    expect(first.problem?.code).toBe('ssh-unreachable')
    delegate(newId(p)) // Another's: it cannot be opened.
    vi.advanceTimersByTime(30_000)
    const second = await next([first.id])
    expect(second.problem?.code).toBe('seal-broken')
    expect(asks).toHaveBeenCalledOnce()
  })

  it('asks once when a dial does not get as far as a lease, and tries anew what failed', async () => {
    const node = newId(p)
    const delegation = { sealed: Uint8Array.of(1), since: 0, by: 'ada' }
    const entry = { node, connection: null, credential: null, delegation }
    const fault = vi.fn<(error: unknown) => void>()
    const { leases, told, bundle, data } = await pool([entry], fault)
    rmSync(bundle)
    const asks = vi.fn<() => Promise<void>>(() => Promise.resolve())
    await leases.wanted(node, asks)
    await vi.waitFor(() => expect(asks).toHaveBeenCalledOnce())
    expect(fault.mock.calls).toMatchObject([[{ code: 'ENOENT' }]])
    expect(told).toEqual([])
    // A look needs no bundle.
    const look = await leases.issue({ node: null, purpose: 'look' }, 'ada')
    await leases.release(look.lease)
    writeFileSync(bundle, 'process.exit(0)')
    // Nor is it kept that the other file could not be written.
    rmSync(join(data, 'ssh/agent.z'), { force: true })
    mkdirSync(join(data, 'ssh/agent.z'))
    await expect(leases.issue(ask, 'ada')).rejects.toMatchObject({ code: 'EISDIR' })
    rmSync(join(data, 'ssh/agent.z'), { recursive: true })
    await expect(leases.issue(ask, 'ada')).resolves.toHaveProperty('key')
    expect(asks).toHaveBeenCalledOnce()
  })

  it('asks for a node that is not delegated', async () => {
    const node = newId(p)
    const entry = { node, connection: null, credential: null, delegation: null }
    const { leases, told } = await pool([entry])
    expect(await leases.wanted(node)).toBe(true)
    expect(await leases.wanted(newId(p))).toBe(false)
    expect(told).toEqual([])
  })

  it('packs the agent’s program once, for its own account alone', async () => {
    const { leases, data } = await pool()
    await leases.issue(ask, 'ada')
    const file = join(data, 'ssh/agent.z')
    expect(readFileSync(file)[0]).toBe(0x78)
    expect(execFileSync('stat', ['-c', '%a', file], { encoding: 'utf8' }).trim()).toBe('600')
  })
})
