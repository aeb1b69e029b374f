import { setTimeout as pause } from 'node:timers/promises'

/** Asks again until the answer is yes. @throws Error naming `what` when that takes longer than `timeoutMs`. */
export async function until(
  ask: () => boolean | Promise<boolean>,
  options: { readonly timeoutMs: number; readonly what: string; readonly everyMs?: number },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`timed out: ${options.what}`)
    await pause(options.everyMs ?? 150)
  }
}
