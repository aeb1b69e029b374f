/**
 * What it costs that a node has no agent: until the first answer, beside `ssh host true`; the speed of a backup, beside
 * `ssh host cat` of the same bytes; the memory of the process that is lent to. A real sshd on loopback, as root.
 *
 * Options: --mb N (bytes of the home, default 256), --runs N (default 5), --json.
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
import { parseArgs } from 'node:util'
import { startFleet } from '../support/fleet.ts'
import { OPENCLAW } from '../support/openclaw.ts'
import { smallHome } from '../support/small-home.ts'
import { connectionTo, logInAs } from '../support/ssh/lender.ts'
import { startSshd, whyNoSshd } from '../support/ssh/sshd.ts'

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const MEGABYTES = Number(values.mb)
const RUNS = Number(values.runs)

const why = whyNoSshd()
if (why !== undefined) {
  console.error(`Not measured: ${why}`)
  process.exit(1)
}

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0
const round = (n: number) => Math.round(n * 1000) / 1000

const ground = mkdtempSync(join(tmpdir(), 'ocm-bench-ssh-'))
const sshd = await startSshd()
const fleet = await startFleet(join(ground, 'fleet'))
try {
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
    for (let i = 0; i < MEGABYTES; i++) writeSync(file, randomBytes(1024 * 1024))
    closeSync(file)
  }
  fill()
  execFileSync('chown', ['-R', '-h', `${account.uid}:${account.gid}`, account.home])

  const connection = connectionTo(sshd, account, { method: 'key', openclawBin: OPENCLAW })
  const keyFile = join(ground, 'key')
  writeFileSync(keyFile, key, { mode: 0o600 })
  writeFileSync(join(ground, 'known'), sshd.hostKeys.map((line) => `ocm-node ${line}\n`).join(''))
  const settings = ['BatchMode=yes', 'HostKeyAlias=ocm-node', `UserKnownHostsFile=${ground}/known`]
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

  const borrowerMegabytes: number[] = []
  const connect = async (node: string | null, text?: string) => {
    const issued = await lender.lease(node)
    const [borrower] = execFileSync('ps', ['-o', 'pid=', '--ppid', String(fleet.hub.process.pid)], {
      encoding: 'utf8',
    })
      .trim()
      .split(/\s+/)
    const began = performance.now()
    const lent = { connection, auth: { kind: 'key', key } as const }
    const lease = await lender.lendFor(issued, {
      ...lent,
      ...(text !== undefined && { join: text }),
    })
    if (lease.state !== 'connected') throw new Error(JSON.stringify(lease.problem))
    const seconds = (performance.now() - began) / 1000
    const status = readFileSync(`/proc/${borrower}/status`, 'utf8')
    borrowerMegabytes.push(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024)
    return { lease, seconds }
  }

  const backUp = async (label: string) => {
    const { code, out, err } = await fleet.operator.ocm('backup', label)
    if (code !== 0) throw new Error(err)
    return Number(/in ([\d.]+) s/.exec(out)?.[1])
  }

  const { join: text } = await fleet.operator.json<{ join: string }>('ticket', '--label', 'bench')
  const first = await connect(null, text)
  const { node } = first.lease
  await lender.release(first.lease.id)
  const state = join(account.home, '.local/state/ocm-agent')
  const trivial: number[] = []
  const cold: number[] = [first.seconds]
  const again: number[] = []
  for (let i = 0; i < RUNS; i++) {
    trivial.push(await plain('true'))
    const kept = await connect(node)
    again.push(kept.seconds)
    await lender.release(kept.lease.id)
    for (const name of readdirSync(state)) {
      if (name.endsWith('.mjs')) rmSync(join(state, name))
    }
    const sent = await connect(node)
    cold.push(sent.seconds)
    await lender.release(sent.lease.id)
  }

  const cats: number[] = []
  for (let i = 0; i < 3; i++) cats.push(await plain(`cat ${bulk}`))
  const cat = median(cats)
  const { lease } = await connect(node)
  const said = await backUp('bench')
  await lender.release(lease.id).catch(() => undefined)
  // The same again by an agent of its own, so that it is seen what is ssh's part in it.
  fill()
  await fleet.enrol('own', account.home, ground)
  const own = await backUp('own')

  const figures = {
    coldStartExtraSeconds: round(median(cold) - median(trivial)),
    throughputRatio: round(cat / said),
    helperRssMB: round(Math.max(...borrowerMegabytes)),
  }
  console.log(`ssh host true                      ${median(trivial).toFixed(2)} s`)
  console.log(`first answer, the bundle is sent   ${median(cold).toFixed(2)} s`)
  console.log(`first answer, the bundle is kept   ${median(again).toFixed(2)} s`)
  console.log(`ssh host cat, ${MEGABYTES} MiB              ${cat.toFixed(2)} s`)
  console.log(`first backup of them               ${said.toFixed(2)} s`)
  console.log(`the same by an agent's own link    ${own.toFixed(2)} s`)
  console.log(`the borrower at most                 ${figures.helperRssMB.toFixed(0)} MB`)
  if (values.json) console.log(JSON.stringify(figures))
} finally {
  await fleet.stop()
  await sshd.stop()
  rmSync(ground, { recursive: true, force: true })
}
