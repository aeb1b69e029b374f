/** One run of ssh, from its start to the agent's word that it is ready; then the pipes are somebody else's. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { type ReadStream, closeSync, createReadStream, statSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import {
  MarkerReader,
  OcmError,
  type SshConnection,
  type SshLent,
  type Stage0Said,
  prefaceOf,
  remoteCommand,
  sshArguments,
  sshProblem,
  stage0Problem,
  sudoPrompt,
  writePreface,
} from '@ocm/protocol'
import type { Packed } from '../packed.ts'
import { childEnv } from './env.ts'
import type { Offers } from './offers.ts'
import type { Asked } from './questions.ts'
import { type PipeEnds, type Room, makePipe, openPipe } from './room.ts'

/** For everything up to the agent's word, the bundle over a slow line included. */
const BOOT_MS = 90_000
const MOST_STDERR = 8192

export interface Dialled {
  readonly process: ChildProcess
  readonly input: string
  readonly output: string
  /** What the agent has said already behind `ready`. */
  readonly rest: Uint8Array
  /** Closes our ends, when others are open. */
  letGo(): void
}

export interface DialParts {
  readonly room: Room
  readonly lent: SshLent
  readonly offers: Offers
  /** The password that a prompt asks for, once. */
  readonly answer: (prompt: string) => Uint8Array | undefined
  readonly askpass: string
  readonly bundle: Packed
  readonly questions: { asked: Asked }
  readonly started: (process: ChildProcess) => void
  /** A secret was given away. */
  readonly spent: () => void
}

/** @throws OcmError */
export async function dial(connection: SshConnection, parts: DialParts): Promise<Dialled> {
  const { room, lent, offers, answer, askpass, questions, bundle, spent } = parts
  const nonce = randomBytes(16).toString('hex')
  const words = sshArguments({
    connection,
    ...offers.node,
    jump: offers.jump,
    command: remoteCommand({ connection, nonce, bundle: bundle.hash }),
  })
  const input = makePipe(room.at(`in-${nonce}`))
  const output = makePipe(room.at(`out-${nonce}`))
  const toNode = openPipe(input, 'writing')
  const fromNode = openPipe(output, 'reading')
  const ssh = start(words, toNode, fromNode, childEnv(askpass, room.path))
  parts.started(ssh)
  const { letGo, boot } = bootOver({
    ssh,
    toNode,
    fromNode,
    nonce,
    bundle,
    connection,
    lent,
    spent,
  })
  questions.asked = {
    question: answer,
    shown: () => {},
    // Asked again, or for something that was not lent: ended before it can answer with nothing.
    refused: () => boot.fail(new OcmError('ssh-auth-failed')),
  }
  try {
    const rest = await boot.done
    return { process: ssh, input, output, rest, letGo }
  } catch (error) {
    kill(ssh)
    letGo()
    throw error
  }
}

export function kill({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  // The whole group: a host on the way has an ssh of its own.
  process.kill(-pid, 'SIGKILL')
}

function start(
  words: readonly string[],
  toNode: PipeEnds,
  fromNode: PipeEnds,
  env: Record<string, string>,
): ChildProcess {
  const ssh = spawn('ssh', words, {
    env,
    detached: true,
    stdio: [toNode.reading, fromNode.writing, 'pipe'],
  })
  closeSync(toNode.reading)
  closeSync(fromNode.writing)
  return ssh
}

interface Boot {
  readonly ssh: ChildProcess
  readonly toNode: PipeEnds
  readonly fromNode: PipeEnds
  readonly nonce: string
  readonly bundle: Packed
  readonly connection: SshConnection
  readonly lent: SshLent
  readonly spent: () => void
}

function bootOver({ ssh, toNode, fromNode, nonce, bundle, connection, lent, spent }: Boot) {
  const { promise: done, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const reader = new MarkerReader(nonce)
  const stdin = new Socket({ fd: toNode.writing, readable: false, writable: true })
  // Who reads it is gone: its end says why.
  stdin.on('error', () => {})
  let stderr = ''
  let isOver = false
  const finish = (settle: () => void) => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    settle()
  }
  const fail = (error: unknown) => finish(() => reject(error))
  const timer = setTimeout(() => fail(new OcmError('ssh-no-answer')), BOOT_MS)

  const heard = new Set<string>()
  const heed = (said: Stage0Said) => {
    const problem = stage0Problem(said)
    if (problem) fail(problem)
    // Once each: a node that goes on asking is not one.
    else if (heard.has(said.word)) fail(new OcmError('ssh-no-answer'))
    else answer(said)
  }
  const answer = (said: Stage0Said) => {
    heard.add(said.word)
    if (said.word === 'want') sendBundle(stdin, bundle.file).once('error', fail)
    else if (said.word === 'preface') stdin.write(writePreface(prefaceOf(connection, lent.join)))
    else if (said.word === 'ready') finish(() => resolve(said.rest))
  }
  const stdout = new Socket({
    fd: fromNode.reading,
    readable: true,
    writable: false,
    // Called for each read, so that not a byte more is taken than was looked at.
    onread: {
      buffer: Buffer.alloc(65_536),
      callback(length, buffer) {
        try {
          for (const said of reader.push(buffer.slice(0, length))) if (!isOver) heed(said)
        } catch (error) {
          fail(error)
        }
        return !isOver
      },
    },
  })
  stdout.on('error', (cause) => fail(new OcmError('link-lost', {}, { cause })))
  stdout.resume()

  let isAsked = false
  ssh.stderr?.on('data', (bytes: Buffer) => {
    if (isOver) return // The agent's, from now on, and not for us.
    stderr = (stderr + bytes.toString('latin1')).slice(-MOST_STDERR)
    if (connection.sudo?.password !== true || !stderr.includes(sudoPrompt(nonce))) return
    stderr = stderr.replaceAll(sudoPrompt(nonce), 'password asked ')
    if (isAsked || lent.sudoPassword === undefined) {
      return fail(new OcmError('ssh-sudo-failed', { why: 'refused' }))
    }
    isAsked = true
    spent()
    writePassword(toNode.writing, lent.sudoPassword)
  })
  const { sudo, container } = connection
  const through = { sudo: sudo !== undefined, container: container !== undefined }
  ssh.once('error', (cause) => fail(new OcmError('ssh-missing', {}, { cause })))
  ssh.once('close', (exitCode) => fail(sshProblem({ stderr, exitCode, ...through })))
  // Open until somebody else has them open: a pipe without a reader is the end of who writes.
  const letGo = () => {
    stdin.destroy()
    stdout.destroy()
  }
  return { letGo, boot: { done, fail } }
}

/** In small pieces: what this process holds at most is little more than Node itself. */
function sendBundle(stdin: Socket, file: string): ReadStream {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(statSync(file).size)
  stdin.write(length)
  const reading = createReadStream(file)
  reading.pipe(stdin, { end: false })
  return reading
}

/** At once and whole: a pipe takes a line without being asked twice. */
function writePassword(fd: number, password: Uint8Array): void {
  const line = Buffer.concat([password, Buffer.from('\n')])
  writeSync(fd, line)
  line.fill(0)
}
