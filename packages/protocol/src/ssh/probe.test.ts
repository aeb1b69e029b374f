import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PROBE } from './probe.ts'

const isRoot = process.getuid?.() === 0
const STRANGER = 65_534

let ground: string
let gateway: ChildProcess | undefined
beforeEach(() => {
  ground = mkdtempSync(join(tmpdir(), 'ocm-probe-'))
  chmodSync(ground, 0o755)
})
afterEach(() => {
  gateway?.kill('SIGKILL')
  gateway = undefined
  rmSync(ground, { recursive: true, force: true })
})

/** A process that calls itself a gateway, whose program has the name of a Node. @returns its program when it is chosen */
async function chosen(uid?: number): Promise<string> {
  const program = join(ground, 'node')
  copyFileSync('/bin/sh', program)
  chmodSync(program, 0o755)
  gateway = spawn(program, ['-c', 'echo; read x', 'openclaw', 'gateway'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  await new Promise((resolve) => gateway?.stdout?.once('data', resolve))
  // Only whether it would be tried: other gateways of this machine are none of ours.
  const script = `${PROBE}; try() { [ "$1" = ${program} ] && echo "$1"; }; running; exit 0`
  return execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).trim()
}

it('takes what the gateway of its own account runs on', async () => {
  expect(await chosen()).toBe(join(ground, 'node'))
})

it.skipIf(!isRoot)(
  'as root it runs nothing of a stranger’s process that says the words',
  async () => {
    expect(await chosen(STRANGER)).toBe('')
  },
)
