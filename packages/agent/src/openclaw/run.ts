/** Runs a command with an array of arguments and answers how it ended; no shell, no output of its own on ours. */
import { execFile } from 'node:child_process'
import { errno } from './errno.ts'

export interface Ran {
  /** The exit status; null when a signal ended it, or the time was up. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly timeoutMs: number
}

const OUTPUT_MAX_BYTES = 16 * 1024 * 1024

/** @returns undefined when there is no such command. */
export function run(
  file: string,
  args: readonly string[],
  { env, cwd, timeoutMs }: RunOptions,
): Promise<Ran | undefined> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      {
        env: { ...(env ?? process.env) },
        ...(cwd === undefined ? {} : { cwd }),
        timeout: timeoutMs,
        maxBuffer: OUTPUT_MAX_BYTES,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve({ status: 0, stdout, stderr })
        else if (['ENOENT', 'EACCES'].includes(errno(error) ?? '')) resolve(undefined)
        else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr })
        else if (error.killed || error.signal) resolve({ status: null, stdout, stderr })
        else reject(error)
      },
    )
    child.stdin?.end()
  })
}

/** OpenClaw's command is a script for a Node that is new enough: ours. */
export const withOwnNode = (path: string | undefined): string =>
  [process.execPath.slice(0, process.execPath.lastIndexOf('/')), path ?? '/usr/bin:/bin'].join(':')
