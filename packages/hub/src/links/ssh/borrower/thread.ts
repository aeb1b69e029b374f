/**
 * The borrower: a process of its own for one lease, which alone sees what is lent. It makes a key, opens what is sealed to
 * it, starts ssh, and hands the pipes to the hub when the agent is there. The credential is overwritten then; what is
 * left of the process watches ssh. When the hub lets go of it, it ends everything and itself.
 */
import { type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import {
  OcmError,
  type SshConnection,
  type SshLent,
  base64url,
  fromBase64url,
  knownHosts,
  openDelegation,
  openLent,
  toWireError,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { dial, kill } from './dial.ts'
import { look } from './look.ts'
import { type Offers, answering, prepareOffers, wipe } from './offers.ts'
import { listenForQuestions } from './questions.ts'
import { oneByOne, resolved } from './resolve.ts'
import { openRoom } from './room.ts'
import type { FromBorrower, Task, ToBorrower } from './words.ts'

/** The descriptor that the hub made for its words and ours. */
const hub = new Socket({ fd: 3 })
const say = (words: FromBorrower) => void hub.write(`${JSON.stringify(words)}\n`)

const pair = p.x25519Pair()
const room = openRoom(process.argv[2] ?? '')
const questions = listenForQuestions(room)
let task: Task | undefined
let lent: SshLent | undefined
let offers: Offers | undefined
let ssh: ChildProcess | undefined
let taken = () => {}

/** Zeroes what was lent; nothing of it is needed to keep a connection that is up. */
function forget(): void {
  if (lent) wipe(lent)
  lent = undefined
  pair.secret.fill(0)
  offers?.end()
  offers = undefined
}

function end(): never {
  forget()
  if (ssh) kill(ssh)
  room.remove()
  process.exit(0)
}

const started = (process: ChildProcess) => {
  ssh = process
  if (process.pid !== undefined) say({ said: 'ssh', pid: process.pid })
}

async function work(now: Task, opened: SshLent): Promise<void> {
  lent = opened
  const { askpass, bundle } = now
  const { connection } = opened
  // A host that is looked at shows its key to nobody who knows it: ssh would go on and log in.
  const known = now.look ? { ...connection, hostKeys: [] } : connection
  const pinned = room.write('known', knownHosts(known))
  const ways = await resolved(connection)
  offers = await prepareOffers(room, opened, pinned, askpass, questions)
  const parts = { room, offers, askpass, questions, started }
  await oneByOne(ways, async (way, spent) => {
    const each = { ...parts, answer: answering(opened, spent) }
    if (now.look) say({ said: 'keys', keys: await look(way, each) })
    else if (bundle) await connect(way, { ...each, lent: opened, bundle, spent })
    else throw new OcmError('ssh-no-bundle')
  })
}

async function connect(way: SshConnection, parts: Parameters<typeof dial>[1]): Promise<void> {
  const { process: dialled, input, output, rest, letGo } = await dial(way, parts)
  forget()
  dialled.once('close', () => say({ said: 'over' }))
  taken = letGo
  say({ said: 'ready', input, output, rest: base64url(rest) })
}

function fail(error: unknown): void {
  forget()
  if (ssh) kill(ssh)
  say({ said: 'failed', ...toWireError(error) })
}

function heed(words: ToBorrower): void {
  if (words.do === 'begin') task = words.task
  else if (words.do === 'taken') taken()
  else if (task === undefined) throw new OcmError('internal')
  else if (words.do === 'lent') {
    work(task, openLent(p, pair, task.lease, fromBase64url(words.sealed))).catch(fail)
  } else {
    const key = p.x25519Pair(new Uint8Array(readFileSync(words.keyFile)))
    work(task, openDelegation(p, key, words.node, fromBase64url(words.sealed))).catch(fail)
    key.secret.fill(0)
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
hub.on('close', end)
hub.on('error', end)
const lines = createInterface({ input: hub })
lines.on('error', end)
lines.on('line', (line) => {
  try {
    heed(JSON.parse(line) as ToBorrower)
  } catch (error) {
    fail(error)
  }
})
say({ said: 'key', key: base64url(pair.public) })
say({ said: 'room', room: room.path })
