/** Where the agent of an ssh session comes to run: behind a forced command, in a container, on another Node than the first. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SshConnection, SshLease, SshLent } from '@ocm/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import { smallHome } from './support/small-home.ts'
import { giveNode, openclawAccount, own, processesOf } from './support/ssh/accounts.ts'
import { type TestLender, connectionTo, logInAs, password } from './support/ssh/lender.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'

const WORD = 'password-of-an-account-77'
const AGENT = new URL('../dist/ocm-agent.mjs', import.meta.url).pathname

/** The line of authorized_keys as docs/operations.md has it. */
function documented(): string {
  const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
  return /^(restrict,command="[^"]+") ssh-/m.exec(page)?.[1] ?? ''
}

const remember = (home: string, text: string) =>
  writeFileSync(join(home, '.openclaw/workspace/MEMORY.md'), text)

/** A program of the account's own, first in the PATH of its logins. */
function program({ home }: Account, name: string, text: string): void {
  const bin = join(home, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  writeFileSync(join(home, '.bashrc'), 'PATH=$HOME/bin:$PATH\n')
}

const docker = (name: string) => ({ tool: 'docker', name }) as const

describe.skipIf(whyNoSshd() !== undefined)('over ssh, the agent', () => {
  let ground: string
  let sshd: TestSshd
  let fleet: Fleet
  let lender: TestLender
  let openclaw: string

  beforeAll(async () => {
    ground = mkdtempSync(join(tmpdir(), 'ocm-ssh-ways-'))
    chmodSync(ground, 0o755) // The accounts run what stands in for OpenClaw.
    openclaw = standIn(join(ground, 'stand-in'))
    sshd = await startSshd()
    fleet = await startFleet(ground)
    lender = await logInAs(fleet.hub.url, 'olivia')
  })
  afterAll(async () => {
    await fleet?.stop()
    await sshd?.stop()
    rmSync(ground, { recursive: true, force: true })
  })

  const to = (account: Account, more: Partial<SshConnection> = {}) =>
    connectionTo(sshd, account, { openclawBin: openclaw, ...more })

  async function enrol(label: string, lent: Omit<SshLent, 'v'>): Promise<SshLease> {
    const { join: text } = await fleet.operator.json<{ join: string }>('ticket', '--label', label)
    return lender.lend(null, { ...lent, join: text })
  }

  /** What a snapshot that is taken now has for the memory of its persona; the lease of `enrol` still lasts. */
  async function memoryOf(label: string): Promise<string> {
    const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', label)
    const { out } = await fleet.operator.ocm('cat', snapshot, 'workspace:main:MEMORY.md')
    return out
  }

  it('behind a forced command is backed up, and goes by its words alone', async () => {
    const account = sshd.account()
    giveNode(account.home)
    const home = smallHome(join(account.home, 'elsewhere'), 19_998)
    remember(home, 'of the home in the command\n')
    own(account)
    const node = join(account.home, '.nvm/versions/node/v24.21.0/bin/node')
    const options = documented()
      .replace('/usr/bin/node', node)
      .replace('/opt/ocm/ocm-agent.mjs', AGENT)
      .replace('/home/claw', home)
      .replace('/usr/bin/openclaw', openclaw)
    const key = sshd.key(account, { options })
    // Whoever dials says otherwise, and is not asked.
    const wrong = { openclawHome: account.home, openclawBin: '/no/such/openclaw' }
    const connection = to(account, { method: 'key', ...wrong })
    const lease = await enrol('forced', { connection, auth: { kind: 'key', key } })
    expect(lease).toMatchObject({ state: 'connected', problem: null })
    expect(await memoryOf('forced')).toBe('of the home in the command\n')
    // It came from the node's own disk: nothing was sent.
    const state = join(account.home, '.local/state/ocm-agent')
    expect(existsSync(state)).toBe(true)
    expect(execFileSync('find', [state, '-name', 'agent-*'], { encoding: 'utf8' })).toBe('')
  })

  it('runs on a newer Node than the one that is first in PATH; without one it is said which was found', async () => {
    const older = 'case $* in *process.versions.node*) echo 20.19.5;; *) exit 70;; esac'
    const account = openclawAccount(sshd, { password: WORD })
    program(account, 'node', older)
    own(account)
    const lent = { connection: to(account), auth: password(WORD) }
    expect(await enrol('older', lent)).toMatchObject({ state: 'connected', problem: null })
    expect(processesOf(account)).toContain('/.nvm/versions/node/v24.21.0/bin/node')
    const without = openclawAccount(sshd, { password: WORD, node: false })
    program(without, 'node', older)
    own(without)
    const { problem } = await enrol('without', {
      connection: to(without),
      auth: password(WORD),
    })
    expect(problem?.code).toBe('ssh-no-node')
    expect(problem?.facts['found']).toContain('20.19')
  })

  describe('in a container', () => {
    let host: Account
    let box: string
    const inBox = (container: SshConnection['container']) => ({
      connection: to(host, container === undefined ? {} : { container }),
      auth: password(WORD),
    })

    /** Another home and an environment of its own is what a container is to whoever is run in it. */
    const DOCKER = `
      [ "$1 $2" = "exec -i" ] || exit 64
      shift 2
      [ "$1" = -u ] && { user=$2; shift 2; }
      box=$HOME/boxes/$1
      case $1 in
        locked) echo "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock" >&2; exit 1;;
        bare) echo 'OCI runtime exec failed: exec failed: unable to start container process: exec: "sh": executable file not found in $PATH: unknown' >&2; exit 127;;
        stopped) echo "Error response from daemon: container 5f0 is not running" >&2; exit 1;;
      esac
      [ -d "$box" ] || { echo "Error response from daemon: No such container: $1" >&2; exit 1; }
      shift
      echo "$user" > "$box/user"
      exec env -i HOME="$box/home" PATH=/usr/bin:/bin "$@"`

    beforeAll(() => {
      host = sshd.account({ password: WORD })
      box = join(host.home, 'boxes/claw')
      giveNode(smallHome(join(box, 'home'), 19_997))
      remember(join(box, 'home'), 'in the container\n')
      mkdirSync(join(host.home, 'boxes/empty/home'), { recursive: true })
      program(host, 'docker', DOCKER)
      own(host)
    })

    it('is backed up, and keeps what it has there', async () => {
      const lease = await enrol('boxed', inBox({ ...docker('claw'), user: 'node' }))
      expect(lease).toMatchObject({ state: 'connected', problem: null })
      expect(await memoryOf('boxed')).toBe('in the container\n')
      expect(execFileSync('cat', [join(box, 'user')], { encoding: 'utf8' })).toBe('node\n')
      expect(existsSync(join(box, 'home/.local/state/ocm-agent'))).toBe(true)
      expect(existsSync(join(host.home, '.local/state/ocm-agent'))).toBe(false)
    })

    it.each([
      ['that is not there', docker('other'), 'container'],
      ['that does not run', docker('stopped'), 'container'],
      ['without a shell', docker('bare'), 'shell'],
      ['of a docker that the account may not use', docker('locked'), 'refused'],
    ] as const)('%s is said to be so', async (_, container, reason) => {
      const { problem } = await lender.lend(null, inBox(container))
      expect(problem).toMatchObject({ code: 'ssh-container-failed', facts: { why: reason } })
    })

    it('on a host without docker is said to be so', async () => {
      const bare = sshd.account({ password: WORD })
      writeFileSync(join(bare.home, '.bashrc'), 'PATH=$HOME/bin\n')
      own(bare)
      const connection = to(bare, { container: docker('claw') })
      const { problem } = await lender.lend(null, { connection, auth: password(WORD) })
      expect(problem).toMatchObject({ code: 'ssh-container-failed', facts: { why: 'tool' } })
    })

    it('without a Node finds none of those outside of it', async () => {
      giveNode(host.home)
      own(host)
      const { problem } = await lender.lend(null, inBox(docker('empty')))
      expect(problem?.code).toBe('ssh-no-node')
    })
  })
})
