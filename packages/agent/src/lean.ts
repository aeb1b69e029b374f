/**
 * How much memory a process keeps is settled when it starts: the C library and V8 read it from environment and command
 * line. An agent idles for most of its life and reads gigabytes in between, and what both keep by default for next time
 * is more than it works with.
 */

/**
 * With a fixed threshold packs and windows are given back when they are freed, instead of being kept in an arena. A lower
 * one costs more in page faults than it saves: at 128 KiB three times the system time for nothing that could be measured.
 */
const ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '4194304',
} as const
/** Megabytes for young objects: V8 lets this grow sixteenfold while a manifest is made, and never gives it back. */
const FLAGS = ['--max-semi-space-size=4'] as const

/**
 * Starts this program again under the same process id, but for one that was started so already. To be called before
 * anything is open.
 */
export function beLean(): void {
  const { env, execPath, execArgv, argv } = process
  const isLean = env['MALLOC_MMAP_THRESHOLD_'] !== undefined
  if (isLean) {
    // Other programs that the agent starts, a gateway above all, are not to have them.
    for (const name of Object.keys(ALLOCATOR)) delete env[name]
    return
  }
  if (process.platform !== 'linux' || !process.execve) return
  const args = [execPath, ...FLAGS, ...execArgv, ...argv.slice(1)]
  process.execve(execPath, args, { ...env, ...ALLOCATOR })
}
