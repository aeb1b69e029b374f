/**
 * The process that a trial is: in a network of its own, so that what it starts can be asked there. It is told what to
 * start in the first line of its input, says in lines of JSON how that went, and when its input ends, also because
 * who started it was killed, it ends everything in its process group, itself at last.
 */
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { isReady, waitUntil } from '../gateway-watch.ts'

export interface WardenTask {
  /** The gateway: command and arguments. */
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The file its output goes to. */
  readonly output: string
  readonly stateDir: string
  readonly port: number
  readonly timeoutMs: number
  /** Asked of the gateway as soon as it is ready. */
  readonly question: { readonly argv: readonly string[]; readonly timeoutMs: number }
}

export type WardenSaid =
  | { readonly said: 'ready'; readonly isReady: boolean }
  /** Null when it was not answered. */
  | { readonly said: 'answer'; readonly text: string | null }

const say = (what: WardenSaid) => process.stdout.write(`${JSON.stringify(what)}\n`)

async function watch(task: WardenTask): Promise<void> {
  const { argv, cwd, env, output, stateDir, port, timeoutMs, question } = task
  const out = openSync(output, 'a', 0o600)
  const [file = '', ...args] = argv
  const gateway = spawn(file, args, { cwd, env: { ...env }, stdio: ['ignore', out, out] })
  closeSync(out)
  let ended = false
  const end = () => {
    ended = true
  }
  gateway.once('exit', end)
  gateway.once('error', end)
  const became = await waitUntil(async () => ended || (await isReady(stateDir, port)), timeoutMs)
  say({ said: 'ready', isReady: became && !ended })
  if (became && !ended) say({ said: 'answer', text: await ask(question, task) })
}

/** Not to be answered is an answer here: what is made of it is not decided in this process. */
const ask = (
  { argv: [file = '', ...args], timeoutMs }: WardenTask['question'],
  { cwd, env }: WardenTask,
): Promise<string | null> =>
  new Promise((resolve) => {
    const options = { cwd, env: { ...env }, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 }
    execFile(file, args, options, (error, stdout) => resolve(error === null ? stdout : null))
  })

const lines = createInterface({ input: process.stdin })
lines.once('line', (line) => void watch(JSON.parse(line) as WardenTask))
lines.once('close', () => process.kill(-process.pid, 'SIGKILL'))
