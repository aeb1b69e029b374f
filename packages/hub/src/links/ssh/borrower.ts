/** Starts a borrower and listens to it; see borrower/thread.ts for what it is. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { OcmError } from '@ocm/protocol'
import { threadProgram } from './borrower/embedded.ts'
import type { FromBorrower, Task, ToBorrower } from './borrower/words.ts'

export interface Borrower {
  /** X25519, base64url. */
  readonly key: string
  readonly pid: number
  tell(words: ToBorrower): void
  /** Kills it, with everything that it has started, and answers when it is gone. */
  end(): Promise<void>
}

export interface BorrowerHooks {
  readonly said: (words: Exclude<FromBorrower, { said: 'key' | 'room' | 'ssh' }>) => void
  /** It has ended, asked or not. */
  readonly gone: () => void
}

/** Until it has made its key. */
const START_MS = 10_000
/** To end by itself; then it is killed. */
const END_MS = 2_000
/** It holds a credential for some seconds and does nothing big. */
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=48', '--v8-pool-size=1']
/** Compiles nothing that runs once: less memory, and no slower here. It has no WebAssembly, so it takes no TypeScript. */
const LITE = '--lite-mode'

/** @throws OcmError 'ssh-borrower-failed' */
export async function startBorrower(task: Task, { said, gone }: BorrowerHooks): Promise<Borrower> {
  const program =
    threadProgram === undefined
      ? [fileURLToPath(new URL('borrower/thread.ts', import.meta.url))]
      : [LITE, '-']
  // Before it is told anything.
  program.push(task.rooms)
  // Without core dumps, whatever the hub has.
  const command = ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, ...FLAGS, ...program]
  const child = spawn('/bin/sh', command, {
    env: { PATH: process.env['PATH'] ?? '', ...runtimeOf(process.env) },
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
  })
  child.stdin?.on('error', () => {}) // Its exit says more.
  child.stdin?.end(threadProgram ?? '')
  const line = child.stdio[3] as Socket
  line.on('error', () => {})
  let room: string | undefined
  let ssh: number | undefined
  const { promise: key, resolve, reject } = Promise.withResolvers<string>()
  const ended = new Promise<void>((done) => {
    const over = () => {
      if (room !== undefined) rmSync(room, { recursive: true, force: true })
      killGroup(ssh)
      reject(new OcmError('ssh-borrower-failed'))
      gone()
      done()
    }
    child.once('error', over)
    child.once('exit', over)
  })
  const lines = createInterface({ input: line })
  lines.on('error', () => {}) // It is told of the line's errors too.
  lines.on('line', (text) => {
    const words = JSON.parse(text) as FromBorrower
    if (words.said === 'key') resolve(words.key)
    else if (words.said === 'room') room = words.room
    else if (words.said === 'ssh') ssh = words.pid
    else said(words)
  })
  const tell = (words: ToBorrower) => void line.write(`${JSON.stringify(words)}\n`)
  tell({ do: 'begin', task })
  // Its end is what the key is refused with.
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS)
  return {
    key: await key.finally(() => clearTimeout(late)),
    pid: child.pid ?? 0,
    tell,
    async end() {
      line.destroy()
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

/** Where both look for a place in memory, see rooms.ts. */
const runtimeOf = ({ XDG_RUNTIME_DIR, TMPDIR }: NodeJS.ProcessEnv) => ({
  ...(XDG_RUNTIME_DIR !== undefined && { XDG_RUNTIME_DIR }),
  ...(TMPDIR !== undefined && { TMPDIR }),
})

/** What the borrower has started is gone with it; this is for one that was killed. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // There is no such group any more.
  }
}
