/** An ssh-agent of our own that holds one key: what is lent goes to it through a pipe and lies in no file. */
import { spawn } from 'node:child_process'
import { OcmError, type SshAuth } from '@ocm/protocol'
import { childEnv } from './env.ts'
import type { Asked } from './questions.ts'
import type { Room } from './room.ts'

export interface Keyring {
  readonly socket: string
  /** The key is gone when this returns. */
  end(): void
}

/** Until it is ended. Should everything else fail, it forgets by itself. */
const FORGET_SECONDS = 300

/**
 * @param questions who answers for the passphrase.
 * @throws OcmError 'ssh-passphrase-wrong', 'ssh-key-unreadable', 'ssh-missing'
 */
export async function openKeyring(
  room: Room,
  name: string,
  auth: Extract<SshAuth, { kind: 'key' }>,
  askpass: string,
  questions: { asked: Asked },
): Promise<Keyring> {
  const socket = room.at(name)
  // It lives as long as `cat`, and `cat` as long as our end of its input: it does not outlive us.
  const words = ['-a', socket, 'sh', '-c', 'echo "$SSH_AGENT_PID"; exec cat >/dev/null']
  const holder = spawn('ssh-agent', words, { env: childEnv(), stdio: ['pipe', 'pipe', 'ignore'] })
  const pid = await new Promise<number>((resolve, reject) => {
    holder.once('error', (cause) => reject(new OcmError('ssh-missing', {}, { cause })))
    holder.once('exit', () => reject(new OcmError('ssh-missing')))
    holder.stdout.once('data', (bytes: Buffer) => resolve(Number(bytes.toString().trim())))
  })
  const keyring: Keyring = {
    socket,
    end() {
      if (Number.isInteger(pid) && pid > 1 && holder.exitCode === null) process.kill(pid, 'SIGKILL')
      holder.stdin.destroy()
      holder.kill('SIGKILL')
    },
  }
  try {
    await addKey(socket, auth, askpass, room.path, questions)
    return keyring
  } catch (error) {
    keyring.end()
    throw error
  }
}

async function addKey(
  socket: string,
  { key, passphrase }: Extract<SshAuth, { kind: 'key' }>,
  askpass: string,
  room: string,
  questions: { asked: Asked },
): Promise<void> {
  const env = { ...childEnv(askpass, room), SSH_AUTH_SOCK: socket }
  const adding = spawn('ssh-add', ['-q', '-t', String(FORGET_SECONDS), '-'], {
    env,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let isAsked = false
  questions.asked = {
    question() {
      if (isAsked || passphrase === undefined) return undefined
      isAsked = true
      return passphrase
    },
    shown: () => {},
    refused: () => void adding.kill('SIGKILL'),
  }
  // It may be gone before it has read everything; its end says why.
  adding.stdin.on('error', () => {})
  adding.stdin.end(Buffer.from(key.buffer, key.byteOffset, key.length))
  adding.stderr.resume()
  const code = await new Promise<number | null>((resolve, reject) => {
    adding.once('error', (cause) => reject(new OcmError('ssh-missing', {}, { cause })))
    adding.once('exit', resolve)
  })
  if (code === 0) return
  // Asked a second time it was ended; without a passphrase to give, at the first.
  throw new OcmError(code === null ? 'ssh-passphrase-wrong' : 'ssh-key-unreadable')
}
