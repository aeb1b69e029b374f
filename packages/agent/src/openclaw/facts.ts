/** What an operator must know of this node before anything is written to it. */
import { existsSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import type { TargetFacts, TargetWish } from '@ocm/protocol'
import { tombstoneOf } from '../apply/tombstone.port.ts'
import type { Gateway } from '../installation.port.ts'
import { errno } from './errno.ts'
import { stateDatabaseOf } from './implied.ts'
import type { Located } from './layout.ts'
import { liveLock } from './locks.ts'
import { isReadOnly } from './read-only.ts'
import { ownNetwork } from './trial-network.ts'
import { answersTo } from './wished.ts'

export async function factsOf(
  { where, layout }: Located,
  ports: readonly number[],
  gateway: Pick<Gateway, 'kind' | 'isRunning' | 'obstacle'>,
  wish?: TargetWish,
): Promise<TargetFacts> {
  const obstacle = await gateway.obstacle?.()
  const lock = liveLock(where.state)
  const freeBytes: Record<string, number> = {}
  for (const [root, absolute] of Object.entries(layout.roots))
    freeBytes[root] = await freeAt(absolute)
  const inUse = listeningPorts()
  for (const port of [...ports, ...(wish?.ports ?? [])])
    if (!inUse.has(port) && !(await isFree(port))) inUse.add(port)
  // Our own gateway stops before anything else wants its port.
  if (lock?.port !== undefined) inUse.delete(lock.port)
  return {
    layout,
    occupied: existsSync(where.config) || existsSync(stateDatabaseOf(where.state)),
    freeBytes,
    gateway: { kind: gateway.kind, running: await gateway.isRunning() },
    portsInUse: [...inUse].toSorted((a, b) => a - b),
    fenced: existsSync(tombstoneOf(where.state)),
    readOnlyConfig: isReadOnly(where),
    ...(wish ? { has: answersTo(wish, where, (port) => inUse.has(port)) } : {}),
    ...(obstacle ? { obstacles: [obstacle] } : {}),
    trial: { isolated: (await ownNetwork()) !== undefined },
  }
}

/** Free bytes where a path lies or would lie. */
async function freeAt(absolute: string): Promise<number> {
  for (let here = absolute; ; here = path.dirname(here)) {
    try {
      const { bavail, bsize } = await statfs(here)
      return bavail * bsize
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes(errno(error) ?? '')) throw error
      if (here === path.dirname(here)) return 0
    }
  }
}

/** TCP ports that something listens on, as the kernel lists them; none where it does not. */
function listeningPorts(): Set<number> {
  const ports = new Set<number>()
  for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    if (!existsSync(table)) continue
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const [, local = '', , state] = line.trim().split(/\s+/)
      if (state === LISTENING) ports.add(Number.parseInt(local.split(':')[1] ?? '', 16))
    }
  }
  return ports
}

const LISTENING = '0A'

/** Whether a gateway could listen there: on both loopback addresses and on all. */
async function isFree(port: number): Promise<boolean> {
  for (const host of ['127.0.0.1', '::1', '0.0.0.0']) {
    if (!(await canListen(host, port))) return false
  }
  return true
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      const code = errno(error) ?? ''
      // A machine without IPv6 cannot say whether ::1 is taken, and needs not.
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') resolve(true)
      else if (code === 'EADDRINUSE' || code === 'EACCES') resolve(false)
      else reject(error)
    })
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
