/**
 * What was lent is found nowhere afterwards: files of the hub, of the operator and of whatever a node's accounts can write
 * to, output, arguments, environments, the hub's memory. Each word was used: on the way, to log in, by sudo, for a key.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Job, type NodeState, type SshLease, hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import { childrenOf, openclawAccount } from './support/ssh/accounts.ts'
import { roomsOf } from './support/ssh/cuts.ts'
import { logInAs } from './support/ssh/lender.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import {
  filesOf,
  watchProcesses,
  wordsIn,
  wordsInCore,
  wordsInFiles,
  wordsInMemory,
  wordsInThese,
} from './support/ssh/traces.ts'
import { traces } from './support/traces.ts'
import { until } from './support/until.ts'

describe.skipIf(whyNoSshd() !== undefined || !existsSync('/usr/bin/sudo'))(
  'a hub that was lent to',
  () => {
    const words: string[] = []
    const planted = `canary-planted-${randomBytes(9).toString('hex')}`
    const accounts: Account[] = []
    const rules = `/etc/sudoers.d/ocm-test-traces-${process.pid}`
    let ground: string
    let sshd: TestSshd
    let fleet: Fleet
    let openclaw: string
    let secrets: string
    let keys: ChildProcess
    let bystander: ChildProcess
    let seen: ReturnType<typeof watchProcesses>

    beforeAll(async () => {
      ground = mkdtempSync(join(tmpdir(), 'ocm-ssh-traces-'))
      chmodSync(ground, 0o755) // The accounts run what stands in for OpenClaw.
      openclaw = standIn(join(ground, 'stand-in'))
      secrets = join(ground, 'secrets')
      mkdirSync(secrets)
      sshd = await startSshd()
      fleet = await startFleet(ground)
      const socket = join(ground, 'agent.sock')
      keys = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
      await until(() => existsSync(socket), { timeoutMs: 5_000, what: 'the ssh-agent listens' })
      Object.assign(fleet.operator.env, { SSH_AUTH_SOCK: socket })
      seen = watchProcesses(words)
      words.push(planted)
      const env = { ...process.env, PLANTED: planted }
      bystander = spawn('sh', ['-c', 'read _', 'sh', planted], {
        env,
        stdio: ['pipe', 'ignore', 'ignore'],
      })
    })
    afterAll(async () => {
      rmSync(rules, { force: true })
      bystander?.kill()
      keys?.kill()
      await fleet?.stop()
      await sshd?.stop()
      rmSync(ground, { recursive: true, force: true })
    })

    function word(what: string): string {
      const made = `canary-${what}-${randomBytes(9).toString('hex')}`
      words.push(made)
      return made
    }

    /** A private key that `of` lets in; of its text one line stands for all. */
    function key(of: Account, passphrase = ''): Buffer {
      const text = sshd.key(of, { passphrase })
      words.push(text.toString().split('\n')[3] ?? '')
      return text
    }

    /** From now on `ocm` is given these, and no others. */
    function give(given: Readonly<Record<string, string | Buffer>>): void {
      for (const name of Object.keys(fleet.operator.env)) {
        if (name.startsWith('OCM_SSH_')) Reflect.deleteProperty(fleet.operator.env, name)
      }
      for (const [name, text] of Object.entries(given)) {
        const file = join(secrets, name)
        writeFileSync(file, text, { mode: 0o600 })
        Object.assign(fleet.operator.env, { [`OCM_SSH_${name}_FILE`]: file })
      }
    }

    function account(password?: string, hasOpenclaw = false): Account {
      const wish = password === undefined ? {} : { password }
      const made = hasOpenclaw ? openclawAccount(sshd, wish) : sshd.account(wish)
      accounts.push(made)
      return made
    }

    const at = ({ name }: Account) => `${name}@127.0.0.1:${sshd.port}`
    const ocm = <T = Job>(...more: readonly string[]) => fleet.operator.json<T>(...more)
    const codeOf = async (...more: readonly string[]) =>
      (JSON.parse((await fleet.operator.ocm(...more, '--json')).out) as { code?: string }).code

    const add = (label: string, way: Account, login: Account, ...more: readonly string[]) =>
      ocm<NodeState>(
        'nodes',
        'add',
        at(login),
        '--jump',
        at(way),
        '--label',
        label,
        '--openclaw-bin',
        openclaw,
        '--host-key',
        hostKeyFingerprint(p, sshd.hostKeys[0] ?? ''),
        ...more,
      )

    /** Three passwords: of a host on the way, of the account that logs in, and of the one that runs OpenClaw, for sudo. */
    async function addThrough(label: string, ...more: readonly string[]) {
      const given = {
        JUMP_PASSWORD: word(`${label}-way`),
        PASSWORD: word(`${label}-login`),
        SUDO_PASSWORD: word(`${label}-sudo`),
      }
      const [way, login] = [account(given.JUMP_PASSWORD), account(given.PASSWORD)]
      const target = account(given.SUDO_PASSWORD, true)
      const asks = `Defaults:${login.name} targetpw\n${login.name} ALL=(${target.name}) PASSWD: ALL\n`
      writeFileSync(rules, asks, { mode: 0o440, flag: 'a' })
      give(given)
      await add(label, way, login, '--sudo-user', target.name, '--sudo-password', ...more)
      return { given, way, login, target }
    }

    let lent: Awaited<ReturnType<typeof addThrough>>

    it('passes passwords on: on the way, to log in, to sudo; for a backup, a restore and an undo', async () => {
      lent = await addThrough('lent')
      await ocm('backup', 'lent')
      const notes = join(lent.target.home, '.openclaw/workspace/MEMORY.md')
      writeFileSync(notes, 'changed\n')
      expect(await ocm('restore', 'lent', 'latest')).toMatchObject({ state: 'done' })
      expect(await ocm('undo', 'lent')).toMatchObject({ state: 'done' })
    })

    it.each([
      ['JUMP_PASSWORD', 'ssh-auth-failed'],
      ['PASSWORD', 'ssh-auth-failed'],
      ['SUDO_PASSWORD', 'ssh-sudo-failed'],
    ] as const)('passes a wrong %s on, too', async (name, code) => {
      give({ ...lent.given, [name]: word(`wrong-${name}`) })
      expect(await codeOf('backup', 'lent')).toBe(code)
    })

    it('has nothing of a node that is dialled from elsewhere', async () => {
      const env = { SSH_AUTH_SOCK: fleet.operator.env['SSH_AUTH_SOCK'] }
      for (const one of [lent.way, lent.login]) {
        execFileSync('ssh-add', ['-q', '-'], { input: key(one), env, stdio: 'pipe' })
      }
      give({ SUDO_PASSWORD: lent.given.SUDO_PASSWORD })
      expect(await ocm('dial', 'lent', '--backup')).toMatchObject({ state: 'done' })
    })

    it('passes keys and their passphrases on: for the way and to log in, delegated to it as well', async () => {
      const [way, login] = [account(), account(undefined, true)]
      const [over, behind] = [word('passphrase-way'), word('passphrase-login')]
      const given = {
        JUMP_KEY: key(way, over),
        JUMP_PASSPHRASE: over,
        KEY: key(login, behind),
        PASSPHRASE: behind,
      }
      give(given)
      const { id: node } = await add('keyed', way, login)
      for (const name of ['PASSPHRASE', 'JUMP_PASSPHRASE']) {
        give({ ...given, [name]: word(`wrong-${name}`) })
        expect(await codeOf('backup', 'keyed')).toBe('ssh-passphrase-wrong')
      }
      give(given)
      // As far as an account without a service manager gets.
      expect(await codeOf('nodes', 'adopt', 'keyed', '--yes')).toBe('user-manager-missing')
      await ocm('nodes', 'delegate', 'keyed')
      give({})
      const { api } = await logInAs(fleet.hub.url, 'olivia')
      const { id } = await api<Job>('POST', '/jobs', { kind: 'backup', node })
      await until(async () => (await api<Job>('GET', `/jobs/${id}`)).state === 'done', {
        timeoutMs: 30_000,
        what: 'it is backed up',
      })
      const [lease] = await ocm<SshLease[]>('leases')
      expect(lease).toMatchObject({ node, origin: 'delegated' })
    })

    it('has them of a node whose credential is stored, the right one and then a wrong one', async () => {
      await addThrough('stored', '--keep-credential')
      give({})
      expect(await ocm('backup', 'stored')).toMatchObject({ state: 'done' })
      const wrong = ['JUMP_PASSWORD', 'PASSWORD', 'SUDO_PASSWORD'].map(
        (name) => [name, word(`stored-wrong-${name}`)] as const,
      )
      give(Object.fromEntries(wrong))
      await ocm('nodes', 'ssh', 'stored', '--keep-credential')
      give({})
      expect(await codeOf('backup', 'stored')).toBe('ssh-auth-failed')
    })

    it('leaves none of these words anywhere, where what is there is found', async () => {
      const all = words.filter((one) => one !== planted)
      expect(new Set(all).size).toBeGreaterThanOrEqual(20)
      expect(all.every((one) => one.length >= 20)).toBe(true)
      const { setupLink, output, data, process: hub } = fleet.hub
      const pid = hub.pid as number
      const leases = await ocm<SshLease[]>('leases')
      await until(() => childrenOf(pid) === '' && roomsOf(data).length === 0, {
        timeoutMs: 5_000,
        what: 'every borrower is gone, and its room',
      })
      expect(leases.filter(({ endedAt }) => endedAt === null)).toEqual([])
      const { rounds, found } = seen.stop()
      expect(rounds).toBeGreaterThan(100)
      expect(found).toEqual([`${planted} in cmdline`, `${planted} in environ`])

      expect(wordsIn(output(), [...all, setupLink])).toEqual([setupLink])
      expect(wordsIn(sshd.log(), all)).toEqual([])
      const where = (folder: string, more: string) =>
        new Set(traces(folder, [...all, more], 'disguised').map((one) => one.word))
      expect(where(data, 'olivia')).toEqual(new Set(['olivia']))
      expect(new Set(wordsInFiles(join(ground, 'operator'), [...all, 'olivia']))).toEqual(
        new Set(['olivia']),
      )

      // All that the accounts of the nodes can write to.
      const [one] = accounts as [Account]
      const plants = ['/dev/shm', tmpdir()].map((place) => join(place, `ocm-planted-${pid}`))
      for (const plant of plants) {
        writeFileSync(plant, planted)
        chownSync(plant, one.uid, one.gid)
      }
      try {
        const files = filesOf(accounts)
        expect(files.length).toBeGreaterThan(accounts.length)
        expect(wordsInThese(files, words)).toEqual([planted, planted])
      } finally {
        for (const plant of plants) rmSync(plant)
      }
      // What it shows of a lease that is over.
      const { id = '' } = leases[0] ?? {}
      const wanted = [...all, id]
      expect(wordsInCore(pid, ground, wanted) ?? wordsInMemory(pid, wanted)).toEqual([id])
    })
  },
)
