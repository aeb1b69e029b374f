/**
 * A node without an agent on loopback, as root: cold starts, backups beside `ssh host cat` of the same bytes and beside
 * an agent's own link, and what each process spends on them.
 */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFleet } from '../fleet.ts'
import { OPENCLAW } from '../openclaw.ts'
import { smallHome } from '../small-home.ts'
import { connectionTo, logInAs } from '../ssh/lender.ts'
import { startSshd } from '../ssh/sshd.ts'
import { Watched } from './measured.ts'

export interface OverSshWish {
  readonly megabytes: number
  /** Cold starts. */
  readonly runs: number
  /** Backups, each of bytes that were never seen before. */
  readonly rounds: number
}

/** Seconds, one for each run or round. */
export interface OverSsh {
  /** `ssh host true` */
  readonly trivial: readonly number[]
  /** To the first answer: the bundle is sent, or is there already. */
  readonly sent: readonly number[]
  readonly kept: readonly number[]
  readonly cat: readonly number[]
  readonly backup: readonly number[]
  readonly ownLink: readonly number[]
  /** Processor seconds of each process during the last of these. */
  readonly spentOverSsh: Readonly<Record<string, number>>
  readonly spentOnOwnLink: Readonly<Record<string, number>>
  /** The highest memory of each borrower, from its start to a connection that stands. */
  readonly borrowerMB: readonly number[]
}

interface Seen {
  readonly pid: number
  readonly parent: number
  readonly uid: number
  /** Its command line. */
  readonly words: string
}

const processes = (): readonly Seen[] =>
  execFileSync('ps', ['-eo', 'pid=,ppid=,uid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, uid, ...words] = line.trim().split(/\s+/)
      return {
        pid: Number(pid),
        parent: Number(parent),
        uid: Number(uid),
        words: words.join(' '),
      }
    })

export async function measureOverSsh({ megabytes, runs, rounds }: OverSshWish): Promise<OverSsh> {
  const ground = mkdtempSync(join(tmpdir(), 'ocm-bench-ssh-'))
  const sshd = await startSshd()
  const fleet = await startFleet(join(ground, 'fleet'))
  try {
    const hub = fleet.hub.process.pid as number
    const lender = await logInAs(fleet.hub.url, 'olivia')
    const account = sshd.account()
    const key = sshd.key(account)
    const bin = join(account.home, '.nvm/versions/node/v24.21.0/bin')
    mkdirSync(bin, { recursive: true })
    symlinkSync(process.execPath, join(bin, 'node'))
    smallHome(account.home, 19_999)
    const bulk = join(account.home, '.openclaw/workspace/bulk')
    const fill = () => {
      const file = openSync(bulk, 'w')
      for (let i = 0; i < megabytes; i++) writeSync(file, randomBytes(1024 * 1024))
      closeSync(file)
    }
    fill()
    execFileSync('chown', ['-R', '-h', `${account.uid}:${account.gid}`, account.home])

    const connection = connectionTo(sshd, account, { method: 'key', openclawBin: OPENCLAW })
    const keyFile = join(ground, 'key')
    const pinned = join(ground, 'known')
    writeFileSync(keyFile, key, { mode: 0o600 })
    writeFileSync(pinned, sshd.hostKeys.map((line) => `ocm-node ${line}\n`).join(''))
    const settings = ['BatchMode=yes', 'HostKeyAlias=ocm-node', `UserKnownHostsFile=${pinned}`]
    const plain = async (command: string) => {
      const began = performance.now()
      const words = ['-F', '/dev/null', '-T', '-i', keyFile, '-p', String(sshd.port)]
      for (const setting of settings) words.push('-o', setting)
      const ssh = spawn('ssh', [...words, `${account.name}@127.0.0.1`, command], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      const [status] = await once(ssh, 'close')
      if (status !== 0) throw new Error(`ssh ${command} answered ${status}`)
      return (performance.now() - began) / 1000
    }

    const borrowerMB: number[] = []
    const connect = async (node: string | null, text?: string) => {
      const issued = await lender.lease(node)
      const borrower = processes().find(({ parent }) => parent === hub)?.pid
      const began = performance.now()
      const lent = { connection, auth: { kind: 'key', key } as const }
      const lease = await lender.lendFor(issued, {
        ...lent,
        ...(text !== undefined && { join: text }),
      })
      if (lease.state !== 'connected') throw new Error(JSON.stringify(lease.problem))
      const seconds = (performance.now() - began) / 1000
      const status = readFileSync(`/proc/${borrower}/status`, 'utf8')
      borrowerMB.push(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024)
      return { lease, seconds }
    }

    /** @param seen the processes that take part, by what they are. */
    const backUp = async (label: string, seen: Readonly<Record<string, number | undefined>>) => {
      const watched = Object.entries(seen).map(([name, pid]) => {
        if (pid === undefined) throw new Error(`there is no ${name}`)
        return [name, new Watched(pid)] as const
      })
      for (const [, one] of watched) one.begin()
      const { code, out, err } = await fleet.operator.ocm('backup', label)
      if (code !== 0) throw new Error(err)
      const spent = watched.map(([name, one]) => [name, one.end().cpuSeconds] as const)
      return { seconds: Number(/in ([\d.]+) s/.exec(out)?.[1]), spent: Object.fromEntries(spent) }
    }

    const { join: text } = await fleet.operator.json<{ join: string }>('ticket', '--label', 'bench')
    const first = await connect(null, text)
    const { node } = first.lease
    await lender.release(first.lease.id)
    const state = join(account.home, '.local/state/ocm-agent')
    const [trivial, sent, kept]: [number[], number[], number[]] = [[], [first.seconds], []]
    for (let i = 0; i < runs; i++) {
      trivial.push(await plain('true'))
      const again = await connect(node)
      kept.push(again.seconds)
      await lender.release(again.lease.id)
      for (const name of readdirSync(state)) {
        if (name.endsWith('.mjs')) rmSync(join(state, name))
      }
      const fresh = await connect(node)
      sent.push(fresh.seconds)
      await lender.release(fresh.lease.id)
    }

    const [cat, backup, ownLink]: [number[], number[], number[]] = [[], [], []]
    const spent: Record<string, Record<string, number>> = {}
    const own = await fleet.enrol('own', account.home, ground)
    for (let i = 0; i < rounds; i++) {
      fill()
      cat.push(await plain(`cat ${bulk}`))
      const { lease } = await connect(node)
      const all = processes()
      const named = (what: RegExp, of: (one: Seen) => boolean) =>
        all.find((one) => what.test(one.words) && of(one))?.pid
      const borrowers = new Set(all.filter(({ parent }) => parent === hub).map(({ pid }) => pid))
      const over = await backUp('bench', {
        agent: named(/ -e eval/, ({ uid }) => uid === account.uid),
        sshd: named(/^sshd/, ({ uid }) => uid === account.uid),
        ssh: named(/^ssh /, ({ parent }) => borrowers.has(parent)),
        hub,
      })
      backup.push(over.seconds)
      spent['ssh'] = over.spent
      await lender.release(lease.id)
      fill()
      const self = await backUp('own', { agent: own.process.pid, hub })
      ownLink.push(self.seconds)
      spent['own'] = self.spent
    }
    const { ssh: spentOverSsh = {}, own: spentOnOwnLink = {} } = spent
    return { trivial, sent, kept, cat, backup, ownLink, spentOverSsh, spentOnOwnLink, borrowerMB }
  } finally {
    await fleet.stop()
    await sshd.stop()
    rmSync(ground, { recursive: true, force: true })
  }
}
