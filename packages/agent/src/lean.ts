/**
 * How much memory a process keeps is settled when it starts: the C library and V8 read it from environment and command
 * line. An agent idles for most of its life and reads gigabytes in between, and what both keep by default for next time
 * is more than it works with.
 */
import { LEAN_ENV, LEAN_FLAGS } from '@ocm/protocol'

/** The flags that this process was started with, but for ours. */
export const givenFlags = (): readonly string[] =>
  process.execArgv.filter((flag) => !(LEAN_FLAGS as readonly string[]).includes(flag))

/**
 * Starts this program again under the same process id, but for one that was started so already. To be called before
 * anything is open.
 */
export function beLean(): void {
  const { env, execPath, execArgv, argv } = process
  const isLean = env['MALLOC_MMAP_THRESHOLD_'] !== undefined
  if (isLean) {
    // Other programs that the agent starts, a gateway above all, are not to have them.
    for (const name of Object.keys(LEAN_ENV)) delete env[name]
    return
  }
  if (process.platform !== 'linux' || !process.execve) return
  const args = [execPath, ...LEAN_FLAGS, ...execArgv, ...argv.slice(1)]
  process.execve(execPath, args, { ...env, ...LEAN_ENV })
}
