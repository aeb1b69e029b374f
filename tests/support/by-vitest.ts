/** A proof that is a test of a package with larger numbers: layers keep tests/ from reaching behind a package's face. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Runs one test file, shows what it says, and leaves its verdict as the exit status. */
export function proveBy(
  project: string,
  file: string,
  numbers: Readonly<Record<string, string>>,
): void {
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
  const { status } = spawnSync(
    process.execPath,
    [vitest, 'run', file, '--project', project, '--disable-console-intercept'],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...numbers } },
  )
  process.exitCode = status ?? 1
}
