/** Debian's tools that only this proof needs; installed by the way where that can be done. */
import { spawnSync } from 'node:child_process'

const isHere = (name: string) => spawnSync('which', [name]).status === 0

/** @param packages where they have other names than what they bring. */
export function installTools(names: readonly string[], packages = names): boolean {
  if (!names.every(isHere) && process.getuid?.() === 0) {
    // A packaged server is for the proof to start, not for the machine to serve.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
      spawnSync('apt-get', ['-q', ...args], { env, stdio: 'ignore' })
    }
  }
  return names.every(isHere)
}
