/** Nodes without an agent: a real sshd on loopback with real accounts, the hub and `ocm` as they ship. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SshConnection, SshLease, SshLent } from '@ocm/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import {
  type AccountWish,
  childrenOf,
  openclawAccount as accountOf,
  own,
  processesOf,
} from './support/ssh/accounts.ts'
import { type TestLender, connectionTo, logInAs, password } from './support/ssh/lender.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { until } from './support/until.ts'

const WORD = 'canary-ssh-password-5e81c7'
const why = whyNoSshd()
if (why !== undefined) console.log(`Skipped: ${why}`)

describe.skipIf(why !== undefined)('over ssh', () => {
  let ground: string
  let sshd: TestSshd
  let fleet: Fleet
  let lender: TestLender
  let openclaw: string

  beforeAll(async () => {
    ground = mkdtempSync(join(tmpdir(), 'ocm-ssh-test-'))
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

  const openclawAccount = (wish: Partial<AccountWish> = {}) =>
    accountOf(sshd, { password: WORD, ...wish })

  const to = (account: Account, more: Partial<SshConnection> = {}) =>
    connectionTo(sshd, account, { openclawBin: openclaw, ...more })

  /** Lends without a node of its own: it gets as far as the agent, which is not enrolled. */
  async function answerOf(lent: Omit<SshLent, 'v'>): Promise<string | undefined> {
    const { problem } = await lender.lend(null, lent)
    return problem?.code
  }

  /** The agent was reached, and says why it does not go on. */
  const REACHED = 'not-enrolled'

  /** The ports that connections came from, of all of them or of those logged after `since` characters. */
  const callers = (since = 0): readonly string[] =>
    [
      ...sshd
        .log()
        .slice(since)
        .matchAll(/^Connection from 127\.0\.0\.1 port (\d+) /gm),
    ].map(([, port = '']) => port)

  /** What sshd has logged after `since`, once it has seen the end of every connection of that time. */
  async function loggedOfEnded(since: number): Promise<string> {
    const logged = () => sshd.log().slice(since)
    const hasEnded = (port: string) =>
      new RegExp(`^(Connection closed|Connection reset|Disconnected) .*port ${port}\\b`, 'm').test(
        logged(),
      )
    await until(() => callers(since).length > 0 && callers(since).every(hasEnded), {
      timeoutMs: 10_000,
      what: 'the connections have ended',
    })
    return logged()
  }

  async function enrol(account: Account, label: string): Promise<SshLease> {
    const { join: text } = await fleet.operator.json<{ join: string }>('ticket', '--label', label)
    const lease = await lender.lend(null, {
      connection: to(account),
      auth: password(WORD),
      join: text,
    })
    expect(lease).toMatchObject({ state: 'connected', held: false, problem: null })
    return lease
  }

  describe('a node', () => {
    let account: Account
    let first: SshLease

    beforeAll(async () => {
      account = openclawAccount()
      first = await enrol(account, 'alpha')
    })

    it('joins over the same session, and is one that is reached by ssh', async () => {
      const nodes =
        await fleet.operator.json<{ label: string; reach: string; online: boolean }[]>('nodes')
      expect(nodes).toMatchObject([{ label: 'alpha', reach: 'ssh', online: true }])
    })

    it('is backed up, and let go of within five seconds', async () => {
      const backup = await fleet.operator.ocm('backup', 'alpha')
      expect(backup.code).toBe(0)
      const ended = performance.now()
      await until(async () => (await lender.get(first.id)).state === 'released', {
        timeoutMs: 5_000,
        what: 'the lease is released',
        everyMs: 50,
      })
      expect(performance.now() - ended).toBeLessThan(5_000)
      await until(() => processesOf(account) === '', {
        timeoutMs: 5_000,
        what: 'nothing of the node runs',
      })
    })

    it('keeps a small directory that is its account’s alone, and nothing else', () => {
      const state = join(account.home, '.local/state/ocm-agent')
      const found = execFileSync('find', [state, '-perm', '/077'], { encoding: 'utf8' })
      expect(found).toBe('')
      const bundles = readdirSync(state).filter((name) => name.startsWith('agent-'))
      expect(bundles).toHaveLength(1)
      // But for what OpenClaw itself makes when it is asked something.
      const newer = execFileSync(
        'sh',
        [
          '-c',
          'find /tmp /dev/shm -maxdepth 1 -user "$1" ! -path "$2" ! -name "*openclaw*"',
          'sh',
          account.name,
          account.home,
        ],
        { encoding: 'utf8' },
      )
      expect(newer).toBe('')
    })

    it('is asked for while a job waits, and a second contact sends no bundle', async () => {
      const job = await lender.api<{ id: string }>('POST', '/jobs', {
        kind: 'backup',
        node: first.node,
      })
      const asked = async () =>
        (await lender.api<{ asks?: string[] }>('GET', `/jobs/${job.id}`)).asks
      await until(async () => (await asked())?.[0] === first.node, {
        timeoutMs: 5_000,
        what: 'the job asks for a credential',
      })
      const before = sshd.log().length
      const lease = await lender.lend(first.node, { connection: to(account), auth: password(WORD) })
      expect(lease.state).toBe('connected')
      await until(
        async () =>
          (await lender.api<{ state: string }>('GET', `/jobs/${job.id}`)).state === 'done',
        { timeoutMs: 30_000, what: 'the job is done' },
      )
      await until(async () => (await lender.get(lease.id)).state === 'released', {
        timeoutMs: 5_000,
        what: 'the lease is released',
      })
      await until(() => /Transferred: sent \d+, received (\d+)/.test(sshd.log().slice(before)), {
        timeoutMs: 5_000,
        what: 'sshd counts what was sent',
      })
      const [, bytes] = /received (\d+)/.exec(sshd.log().slice(before)) ?? []
      expect(Number(bytes)).toBeLessThan(100_000)
    })

    it('is restored', async () => {
      const notes = join(account.home, '.openclaw/workspace/MEMORY.md')
      writeFileSync(notes, 'changed\n')
      own(account)
      const [newest] = await fleet.operator.json<{ id: string }[]>('snapshots', 'alpha')
      const lease = await lender.lend(first.node, { connection: to(account), auth: password(WORD) })
      const restored = await fleet.operator.ocm('restore', 'alpha', newest?.id ?? '', '--yes')
      expect(`${restored.out}${restored.err}`).toContain('is set back to the snapshot')
      expect(execFileSync('cat', [notes], { encoding: 'utf8' })).toBe('# Memory\n')
      await lender.release(lease.id)
    })

    const signal = (name: 'STOP' | 'KILL') =>
      execFileSync('sh', ['-c', 'pkill "-$1" -u "$2"; exit 0', 'sh', name, account.name])

    async function cutOff({ id }: SshLease): Promise<SshLease> {
      signal('KILL')
      await until(async () => (await lender.get(id)).endedAt !== null, {
        timeoutMs: 5_000,
        what: 'the lease has ended',
        everyMs: 50,
      })
      await until(() => processesOf(account) === '', { timeoutMs: 5_000, what: 'nothing runs' })
      return lender.get(id)
    }

    it('cut off, it is let go of and leaves nothing running', async () => {
      const lease = await lender.lend(first.node, { connection: to(account), auth: password(WORD) })
      expect(lease.state).toBe('connected')
      expect(await cutOff(lease)).toMatchObject({ state: 'released', held: false, problem: null })
    })

    it('cut off while a job is at work, it says so, and the job goes on with the next', async () => {
      const lend = () => lender.lend(first.node, { connection: to(account), auth: password(WORD) })
      const lease = await lend()
      expect(lease.state).toBe('connected')
      signal('STOP') // So that the job is still at work when it is cut off.
      const { id } = await lender.api<{ id: string }>('POST', '/jobs', {
        kind: 'backup',
        node: first.node,
      })
      expect(await cutOff(lease)).toMatchObject({
        state: 'failed',
        held: false,
        problem: { code: 'link-lost' },
      })
      await lend()
      await until(
        async () => (await lender.api<{ state: string }>('GET', `/jobs/${id}`)).state === 'done',
        { timeoutMs: 30_000, what: 'the job is done' },
      )
    })

    it('released by hand, borrower and ssh are gone', async () => {
      const lease = await lender.lend(first.node, { connection: to(account), auth: password(WORD) })
      const began = performance.now()
      expect(await lender.release(lease.id)).toMatchObject({ state: 'released', problem: null })
      expect(performance.now() - began).toBeLessThan(5_000)
      expect(childrenOf(fleet.hub.process.pid as number)).toBe('')
      await until(() => processesOf(account) === '', { timeoutMs: 5_000, what: 'the agent ends' })
    })
  })

  describe('a credential', () => {
    let account: Account

    beforeAll(() => {
      account = openclawAccount()
    })

    it.each(['password', 'keyboard-interactive'])('answers %s', async (method) => {
      await sshd.restart([`AuthenticationMethods ${method}`])
      try {
        expect(await answerOf({ connection: to(account), auth: password(WORD) })).toBe(REACHED)
      } finally {
        await sshd.restart([])
      }
    })

    it('is a key', async () => {
      const key = sshd.key(account)
      const lent = {
        connection: to(account, { method: 'key' }),
        auth: { kind: 'key', key },
      } as const
      expect(await answerOf(lent)).toBe(REACHED)
    })

    it('is a key with a passphrase; a wrong one dials nobody', async () => {
      const key = sshd.key(account, { passphrase: 'canary-passphrase-1' })
      const lend = (passphrase: string) =>
        answerOf({
          connection: to(account, { method: 'key' }),
          auth: { kind: 'key', key, passphrase: Buffer.from(passphrase) },
        })
      expect(await lend('canary-passphrase-1')).toBe(REACHED)
      const before = callers().length
      expect(before).toBeGreaterThan(0)
      expect(await lend('another')).toBe('ssh-passphrase-wrong')
      expect(callers()).toHaveLength(before)
    })

    it('is a certificate', async () => {
      const auth = { kind: 'key', ...sshd.certified(account) } as const
      expect(await answerOf({ connection: to(account, { method: 'key' }), auth })).toBe(REACHED)
    })

    it('that is wrong is tried once', async () => {
      const before = sshd.log().length
      const connection = to(account)
      expect(await answerOf({ connection, auth: password('wrong') })).toBe('ssh-auth-failed')
      const failed = sshd
        .log()
        .slice(before)
        .match(/Failed password/g)
      expect(failed).toHaveLength(1)
    })

    it('is not a key', async () => {
      const auth = { kind: 'key', key: Buffer.from('nonsense\n') } as const
      expect(await answerOf({ connection: to(account), auth })).toBe('ssh-key-unreadable')
    })

    it('goes to a host on the way, too', async () => {
      const way = openclawAccount()
      const jump = {
        host: '127.0.0.1',
        port: sshd.port,
        user: way.name,
        hostKeys: [...sshd.hostKeys],
      }
      expect(await answerOf({ connection: to(account, { jump }), auth: password(WORD) })).toBe(
        REACHED,
      )
    })
  })

  describe('a host', () => {
    it('is looked at without an attempt to log in', async () => {
      const account = openclawAccount()
      const before = sshd.log().length
      const lease = await lender.look(to(account))
      expect(lease).toMatchObject({ state: 'released', hostKeys: [...sshd.hostKeys] })
      expect(await loggedOfEnded(before)).not.toContain(account.name)
    })

    it('with a changed key is sent nothing', async () => {
      const account = openclawAccount()
      const connection = to(account)
      await sshd.changeHostKey()
      const before = sshd.log().length
      expect(await answerOf({ connection, auth: password(WORD) })).toBe('ssh-host-key-changed')
      expect(await loggedOfEnded(before)).not.toContain(account.name)
    })

    it('that is an option, two words, two lines or an address within the cloud is refused unasked', async () => {
      const account = openclawAccount()
      const option = `-oProxyCommand=touch ${ground}/pwned`
      const hosts = [option, 'a b', 'a\nb', '169.254.169.254', 'fe80::1']
      const before = callers().length
      const codes = await Promise.all(
        hosts.map((host) =>
          answerOf({ connection: { ...to(account), host }, auth: password(WORD) }),
        ),
      )
      expect(codes).toEqual(hosts.map(() => 'ssh-address-refused'))
      expect(existsSync(join(ground, 'pwned'))).toBe(false)
      expect(callers()).toHaveLength(before)
    })

    it('that does not listen is said to', async () => {
      const account = openclawAccount()
      const connection = { ...to(account), port: 1 }
      expect(await answerOf({ connection, auth: password(WORD) })).toBe('ssh-unreachable')
    })
  })

  const reach = (account: Account) =>
    answerOf({
      connection: connectionTo(sshd, account, {
        openclawBin: openclaw,
        hostKeys: [...sshd.hostKeys],
      }),
      auth: password(WORD),
    })

  describe('a login', () => {
    it('that makes noise is understood', async () => {
      const account = openclawAccount()
      const noise =
        'echo "Welcome"; printf "no line feed"; head -c 100000 /dev/zero; echo; echo oops >&2\n'
      writeFileSync(join(account.home, '.bashrc'), noise)
      writeFileSync(join(sshd.ground, 'banner'), 'A banner\nOCM0 0 ready\n')
      own(account)
      await sshd.restart([`Banner ${join(sshd.ground, 'banner')}`])
      expect(await reach(account)).toBe(REACHED)
    })

    it.each(['/usr/sbin/nologin', '/bin/false'])('with the shell %s is not one', async (shell) => {
      expect(await reach(openclawAccount({ shell }))).toBe('ssh-no-answer')
    })

    it('goes by one session', async () => {
      await sshd.restart(['MaxSessions 1'])
      expect(await reach(openclawAccount())).toBe(REACHED)
    })
  })

  describe.skipIf(!existsSync('/usr/bin/sudo'))('sudo', () => {
    let login: Account
    let target: Account
    const rules = `/etc/sudoers.d/ocm-test-${process.pid}`
    const allow = (how: string) =>
      writeFileSync(rules, `${login.name} ALL=(${target.name}) ${how} ALL\n`, { mode: 0o440 })
    const through = (sudoPassword?: string) =>
      answerOf({
        connection: to(login, {
          hostKeys: [...sshd.hostKeys],
          sudo: { user: target.name, password: sudoPassword !== undefined },
        }),
        auth: password(WORD),
        ...(sudoPassword !== undefined && { sudoPassword: Buffer.from(sudoPassword) }),
      })

    beforeAll(() => {
      login = sshd.account({ password: WORD })
      target = openclawAccount()
    })
    afterAll(() => rmSync(rules, { force: true }))

    it('without a password reaches the account of OpenClaw, and no other is changed', async () => {
      allow('NOPASSWD:')
      expect(await through()).toBe(REACHED)
      expect(existsSync(join(target.home, '.local/state/ocm-agent'))).toBe(true)
      expect(existsSync(join(login.home, '.local/state/ocm-agent'))).toBe(false)
    })

    it('with a password is answered once, and says what was wrong', async () => {
      allow('PASSWD:')
      expect(await through(WORD)).toBe(REACHED)
      expect(await through('wrong')).toBe('ssh-sudo-failed')
      expect(await through()).toBe('ssh-sudo-failed')
    })

    it('that is not allowed is said to', async () => {
      rmSync(rules)
      expect(await through()).toBe('ssh-sudo-failed')
    })
  })
})
