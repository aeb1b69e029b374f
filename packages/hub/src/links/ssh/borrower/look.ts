/** Which key a host shows. ssh stops there: with nothing pinned it goes no step further, so nobody logs in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { OcmError, type SshConnection, checkHostKey, sshArguments, sshProblem } from '@ocm/protocol'
import { childEnv } from './env.ts'
import type { Offers } from './offers.ts'
import type { Asked } from './questions.ts'
import type { Room } from './room.ts'

const LOOK_MS = 30_000

export interface LookParts {
  readonly room: Room
  readonly offers: Offers
  /** The password that a prompt asks for, once. */
  readonly answer: (prompt: string) => Uint8Array | undefined
  readonly askpass: string
  readonly questions: { asked: Asked }
  readonly started: (process: ChildProcess) => void
}

/** @returns lines as a connection pins them. @throws OcmError 'ssh-unreachable', … */
export async function look(
  connection: SshConnection,
  { room, offers, answer, askpass, questions, started }: LookParts,
): Promise<readonly string[]> {
  const bare = { ...connection, hostKeys: [] }
  const words = sshArguments({ connection: bare, ...offers.node, jump: offers.jump, look: askpass })
  const ssh = spawn('ssh', words, {
    env: childEnv(askpass, room.path),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LOOK_MS,
  })
  started(ssh)
  const keys = new Set<string>()
  let refusal: OcmError | undefined
  questions.asked = {
    question: answer,
    shown(line) {
      try {
        keys.add(checkHostKey(line))
      } catch (cause) {
        refusal = new OcmError('ssh-no-answer', {}, { cause })
        ssh.kill('SIGKILL')
      }
    },
    refused: () => void ssh.kill('SIGKILL'),
  }
  let stderr = ''
  ssh.stderr.on('data', (bytes: Buffer) => {
    stderr = (stderr + bytes.toString('latin1')).slice(-8192)
  })
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    ssh.once('error', (cause) => reject(new OcmError('ssh-missing', {}, { cause })))
    ssh.once('close', resolve)
  })
  if (refusal) throw refusal
  if (keys.size > 0) return [...keys]
  const problem = sshProblem({ stderr, exitCode })
  throw problem.code === 'ssh-host-key-changed'
    ? new OcmError('ssh-unreachable', { why: 'closed' })
    : problem
}
