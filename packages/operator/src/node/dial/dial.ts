/**
 * A node connected from this machine: its own ssh, with its agent, keys and prompts, runs the agent there, and records go
 * between it and the hub's link. They are sealed from end to end; what is in them is not seen here.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { deflateSync } from 'node:zlib'
import {
  MarkerReader,
  OcmError,
  RecordReader,
  type SshConnection,
  prefaceOf,
  remoteCommand,
  sshArguments,
  sshProblem,
  stage0Problem,
  sudoPrompt,
  writePreface,
  writeRecord,
} from '@ocm/protocol'
import type { WebSocket } from 'ws'
import { AGENT } from '../errand.ts'
import { exitOf } from './look.ts'
import { placeFor } from './places.ts'

export interface DialNeeds {
  readonly connection: SshConnection
  /** The join string of a node that is new. */
  readonly join?: string
  /** Opens the hub's link, when the agent is there. */
  readonly openLink: () => WebSocket
  /** Asked when sudo asks. */
  readonly sudoPassword: () => Promise<string>
  /** What the agent there and the hub say reaches the other from now on. */
  readonly onReady?: () => void
}

export interface Dialled {
  /** Answers when the connection has ended. @throws OcmError when it ended otherwise than by `end` */
  readonly closed: Promise<void>
  end(): void
}

const STDERR_KEPT = 4000
/** What may wait on its way to the hub before the node is told to wait. */
const PILE_BYTES = 1024 * 1024
const LOOK_AGAIN_MS = 20

export function dialFromHere(needs: DialNeeds): Dialled {
  const controller = new AbortController()
  const { signal } = controller
  return { closed: converse(needs, signal), end: () => controller.abort() }
}

async function converse(needs: DialNeeds, signal: AbortSignal): Promise<void> {
  const { connection } = needs
  const program = await readFile(AGENT)
  const bundle = createHash('sha256').update(program).digest('hex')
  const nonce = randomBytes(16).toString('hex')
  const place = await placeFor(connection)
  const command = remoteCommand({ connection, nonce, bundle })
  const args = sshArguments({ connection, offer: 'own', places: place.places, command })
  const ssh = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exit = exitOf(ssh)
  const stop = () => void ssh.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  // What ended it is known by its exit and its words.
  ssh.stdin.on('error', () => undefined)
  const { words, refused, ready } = listen(ssh, nonce, needs)
  let socket: WebSocket | undefined
  try {
    const rest = await Promise.race([begin(ssh, nonce, needs, program), refused])
    ready()
    if (rest === undefined) {
      const { sudo, container } = connection
      const exitCode = await exit
      if (signal.aborted) return
      const through = { sudo: sudo !== undefined, container: container !== undefined }
      throw sshProblem({ stderr: words(), exitCode, ...through })
    }
    socket = needs.openLink()
    await opened(socket)
    needs.onReady?.()
    await pipe(ssh, socket, rest)
    if (!signal.aborted) throw new OcmError('link-lost')
  } finally {
    socket?.close()
    stop()
    await exit.catch(() => undefined)
    await place.remove()
  }
}

interface Listening {
  /** ssh's own, and sudo's. */
  readonly words: () => string
  /** Fails when there is no answer to sudo, or it was the wrong one. */
  readonly refused: Promise<never>
  /** The agent is there: what it writes now is no question to us. */
  ready(): void
}

/**
 * ssh's own words, and sudo's question: the prompts of ssh itself go to the terminal, past us. The nonce is in the command
 * line, so a host can ask as sudo does. It is answered where the connection says that sudo asks, once, and before the
 * agent is there.
 */
function listen(ssh: ChildProcess, nonce: string, needs: DialNeeds): Listening {
  const { connection, sudoPassword } = needs
  const { promise: refused, reject } = Promise.withResolvers<never>()
  // Of no concern to who has come past it.
  refused.catch(() => undefined)
  let said = ''
  let isAsked = false
  let isReady = false
  const answer = (password: string) => !isReady && ssh.stdin?.write(`${password}\n`)
  ssh.stderr?.on('data', (part: Buffer) => {
    if (isReady) return
    said = (said + part.toString('latin1')).slice(-STDERR_KEPT)
    if (connection.sudo?.password !== true || !said.includes(sudoPrompt(nonce))) return
    said = said.replaceAll(sudoPrompt(nonce), 'password asked ')
    if (isAsked) return reject(new OcmError('ssh-sudo-failed', { why: 'refused' }))
    isAsked = true
    sudoPassword().then(answer, reject)
  })
  return { words: () => said, refused, ready: () => void (isReady = true) }
}

/** Until the agent there begins. @returns what came behind; undefined when ssh ended before. */
async function begin(
  ssh: ChildProcess,
  nonce: string,
  { connection, join }: DialNeeds,
  program: Uint8Array,
): Promise<Uint8Array | undefined> {
  const reader = new MarkerReader(nonce)
  const { stdin, stdout } = ssh
  if (stdin === null || stdout === null) throw new OcmError('internal')
  const heard = new Set<string>()
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      stdout.off('data', take)
      stdout.off('end', gone)
      stdout.pause()
      settle()
    }
    const gone = () => end(() => resolve(undefined))
    const take = (bytes: Buffer) => {
      try {
        for (const said of reader.push(bytes)) {
          const problem = stage0Problem(said)
          if (problem) return end(() => reject(problem))
          // Once each: a node that goes on asking is not one.
          if (heard.has(said.word)) throw new OcmError('ssh-no-answer')
          heard.add(said.word)
          if (said.word === 'want') stdin.write(packed(program))
          if (said.word === 'preface') stdin.write(writePreface(prefaceOf(connection, join)))
          if (said.word === 'ready') return end(() => resolve(said.rest))
        }
      } catch (error) {
        end(() => reject(error as Error))
      }
    }
    stdout.on('data', take)
    stdout.on('end', gone)
  })
}

function packed(program: Uint8Array): Uint8Array {
  const deflated = deflateSync(program)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(deflated.length)
  return Buffer.concat([length, deflated])
}

async function opened(socket: WebSocket): Promise<void> {
  try {
    await once(socket, 'open')
  } catch (cause) {
    throw new OcmError('hub-unreachable', {}, { cause })
  }
}

/** Records to the hub as messages, messages of the hub as records. Answers when either side has ended. */
async function pipe(ssh: ChildProcess, socket: WebSocket, rest: Uint8Array): Promise<void> {
  const { stdin, stdout } = ssh
  if (stdin === null || stdout === null) throw new OcmError('internal')
  const reader = new RecordReader()
  return new Promise((resolve, reject) => {
    const take = (bytes: Uint8Array) => {
      try {
        for (const record of reader.push(bytes)) socket.send(record)
      } catch (error) {
        reject(error as Error)
      }
      if (socket.bufferedAmount < PILE_BYTES) return
      stdout.pause()
      const timer = setInterval(() => {
        if (socket.bufferedAmount >= PILE_BYTES && socket.readyState === socket.OPEN) return
        clearInterval(timer)
        stdout.resume()
      }, LOOK_AGAIN_MS)
    }
    socket.on('message', (message) => {
      if (!stdin.write(writeRecord(message as Buffer))) {
        socket.pause()
        stdin.once('drain', () => socket.resume())
      }
    })
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
    stdout.on('end', () => resolve())
    if (rest.length > 0) take(rest)
    stdout.on('data', take)
    stdout.resume()
  })
}
