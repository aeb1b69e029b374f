/** Before the tests of whole systems: the programs they run, as one file each. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export function setup(): void {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const { status } = spawnSync(process.execPath, ['scripts/build.ts'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the programs do not build')
}
