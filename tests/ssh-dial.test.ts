/** `ocm dial`: sudo's question is answered where it is to be expected, and nowhere else. A real sshd, a real sudo, `ocm` itself. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NodeState, hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import { openclawAccount, own } from './support/ssh/accounts.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { until } from './support/until.ts'

const PASSWORD = 'password-of-sudo-5be1'
const AGENT = new URL('../dist/ocm-agent.mjs', import.meta.url).pathname

describe.skipIf(whyNoSshd() !== undefined || !existsSync('/usr/bin/sudo'))('ocm dial', () => {
  let ground: string
  let sshd: TestSshd
  let fleet: Fleet
  let openclaw: string
  let keys: ChildProcess
  const rules = `/etc/sudoers.d/ocm-test-dial-${process.pid}`

  beforeAll(async () => {
    ground = mkdtempSync(join(tmpdir(), 'ocm-ssh-dial-'))
    chmodSync(ground, 0o755) // The accounts run what stands in for OpenClaw.
    openclaw = standIn(join(ground, 'stand-in'))
    sshd = await startSshd()
    fleet = await startFleet(ground)
    const socket = join(ground, 'agent.sock')
    keys = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    await until(() => existsSync(socket), { timeoutMs: 5_000, what: 'the ssh-agent listens' })
    Object.assign(fleet.operator.env, { SSH_AUTH_SOCK: socket })
    sudoPassword(PASSWORD)
  })
  afterAll(async () => {
    rmSync(rules, { force: true })
    keys?.kill()
    await fleet?.stop()
    await sshd?.stop()
    rmSync(ground, { recursive: true, force: true })
  })

  function sudoPassword(text: string): void {
    const file = join(ground, 'sudo-password')
    writeFileSync(file, `${text}\n`, { mode: 0o600 })
    Object.assign(fleet.operator.env, { OCM_SSH_SUDO_PASSWORD_FILE: file })
  }

  /** Lets in whoever has the operator's keys. @param options before the key in authorized_keys */
  function letIn(account: Account, options = ''): void {
    const env = { SSH_AUTH_SOCK: fleet.operator.env['SSH_AUTH_SOCK'] }
    execFileSync('ssh-add', ['-q', '-'], { input: sshd.key(account, { options }), env })
  }

  async function dial(account: Account, label: string, ...more: readonly string[]) {
    execFileSync('ssh-add', ['-l'], { env: fleet.operator.env, stdio: 'ignore' })
    const key = hostKeyFingerprint(p, sshd.hostKeys[0] ?? '')
    const answer = await fleet.operator.ocm(
      'dial',
      '--new',
      `${account.name}@127.0.0.1:${sshd.port}`,
      '--label',
      label,
      '--host-key',
      key,
      '--openclaw-bin',
      openclaw,
      '--backup',
      '--json',
      ...more,
    )
    return JSON.parse(answer.out.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
  }

  /** What a host runs in place of what it is asked for; `$n` is the nonce of the call. */
  function host(account: Account, script: string): void {
    const file = join(account.home, 'host.sh')
    const nonce = `n=$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's/.* ocm0 \\([0-9a-f]*\\) .*/\\1/')`
    writeFileSync(file, `#!/bin/bash\n${nonce}\n${script}\n`, { mode: 0o755 })
    own(account)
    letIn(account, `command="${file}"`)
  }

  describe('where sudo asks for a password', () => {
    let login: Account
    let target: Account
    const through = () => ['--sudo-user', target.name, '--sudo-password']

    beforeAll(() => {
      login = sshd.account({ password: PASSWORD })
      target = openclawAccount(sshd, { password: PASSWORD })
      letIn(login)
      writeFileSync(rules, `${login.name} ALL=(${target.name}) PASSWD: ALL\n`, { mode: 0o440 })
    })

    it('says at once that the password was wrong', async () => {
      sudoPassword('not the password')
      const began = performance.now()
      expect(await dial(login, 'wrong', ...through())).toMatchObject({ code: 'ssh-sudo-failed' })
      expect(performance.now() - began).toBeLessThan(20_000)
    })

    it('answers it, and the node of the other account is backed up', async () => {
      sudoPassword(PASSWORD)
      expect(await dial(login, 'right', ...through())).toMatchObject({ state: 'done' })
      const nodes = await fleet.operator.json<NodeState[]>('nodes')
      expect(nodes.map(({ label }) => label)).toContain('right')
    })
  })

  it('gives nothing to a host that asks as sudo does, where there is no sudo', async () => {
    const account = openclawAccount(sshd, { password: PASSWORD })
    host(account, 'echo "OCM-SUDO-$n" >&2; read -r -t 3 word; echo "got $word" > ~/got')
    expect(await dial(account, 'asking')).toMatchObject({ code: 'ssh-no-answer' })
    expect(readFileSync(join(account.home, 'got'), 'utf8')).toBe('got \n')
  })

  it('gives nothing when it is asked while the agent is there already', async () => {
    const account = openclawAccount(sshd, { password: PASSWORD })
    const node = join(account.home, '.nvm/versions/node/v24.21.0/bin/node')
    const served = `${node} ${AGENT} stdio --nonce "$n" --openclaw-bin ${openclaw}`
    // Its own words go on as they are; behind the one that it is ready comes the question.
    const ask = `awk -v n="$n" '/ ready$/ { printf "OCM-SUDO-%s", n > "/dev/stderr"; exit }'`
    host(account, `${served} | tee >(${ask}; cat >/dev/null)`)
    const sudo = ['--sudo-user', account.name, '--sudo-password']
    expect(await dial(account, 'late', ...sudo)).toMatchObject({ state: 'done' })
  })
})
