/** The node without an agent that the page speaks of: an account of a real sshd, for a password or the operator's own key. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { standIn } from '../moves/stand-in.ts'
import { openclawAccount } from '../ssh/accounts.ts'
import { startSshd } from '../ssh/sshd.ts'
import { until } from '../until.ts'

const PASSWORD = 'the password of the shed'

export interface Shed {
  /** Puts it in the place of the page's own. */
  fill(command: string): string
  /** What the operator has, so that nothing is asked for. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** @param folder for what is the operator's own */
export async function startShed(folder: string): Promise<Shed> {
  const sshd = await startSshd()
  const account = openclawAccount(sshd, { password: PASSWORD })
  const bin = join(account.home, '.local/bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(standIn(join(sshd.ground, 'stand-in')), join(bin, 'openclaw'))
  execFileSync('chown', ['-R', '-h', `${account.uid}:${account.gid}`, account.home])
  const password = join(folder, 'ssh-password')
  writeFileSync(password, PASSWORD, { mode: 0o600 })
  const socket = join(folder, 'ssh-agent.sock')
  const keys = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  await until(() => existsSync(socket), { timeoutMs: 5_000, what: 'the ssh-agent listens' })
  const own = { SSH_AUTH_SOCK: socket }
  execFileSync('ssh-add', ['-q', '-'], { input: sshd.key(account), env: own, stdio: 'pipe' })
  return {
    fill: (command) =>
      command
        .replace('claw@shed.example', `${account.name}@127.0.0.1:${sshd.port}`)
        .replace('SHA256:…', hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')),
    env: { ...own, OCM_SSH_PASSWORD_FILE: password },
    async stop() {
      keys.kill()
      await sshd.stop()
    },
  }
}
