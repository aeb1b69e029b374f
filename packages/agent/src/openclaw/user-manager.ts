/** The service manager of the account that this is. */
import { existsSync } from 'node:fs'
import { type Ran, run } from './run.ts'

/** With where it listens: a session over SSH, or one begun by sudo, does not always say so. */
export function withUserManager(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const usual = `/run/user/${process.getuid?.()}`
  const isUsual = env['XDG_RUNTIME_DIR'] === undefined && existsSync(usual)
  return isUsual ? { ...env, XDG_RUNTIME_DIR: usual } : env
}

/** @returns undefined when there is no systemctl. */
export const userctl = (args: readonly string[], timeoutMs: number): Promise<Ran | undefined> =>
  run('systemctl', ['--user', ...args], { timeoutMs, env: withUserManager(process.env) })
