/**
 * What it costs that a node has no agent: until the first answer, beside `ssh host true`; the speed of a backup, beside
 * `ssh host cat` of the same bytes; the memory of the process that is lent to. A real sshd on loopback, as root. Then the
 * same backup over a loopback that carries as much as a network, in a namespace of its own: without one, what is
 * compared is how much there is to do for each byte, while agent, ssh, sshd and hub share the processors of one machine.
 *
 * Options: --mb N (bytes of the home, default 256), --runs N (cold starts, default 5), --rounds N (backups, default 3),
 * --loopback (leaves the networks out), --json.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type OverSsh, measureOverSsh } from '../support/bench/over-ssh.ts'
import { whyNoSshd } from '../support/ssh/sshd.ts'

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    loopback: { type: 'boolean', default: false },
    /** Measures alone, and prints that: for the network of its own. */
    raw: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const wish = {
  megabytes: Number(values.mb),
  runs: Number(values.runs),
  rounds: Number(values.rounds),
}

const why = whyNoSshd()
if (why !== undefined) {
  console.error(`Not measured: ${why}`)
  process.exit(1)
}

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0
const round = (n: number) => Math.round(n * 1000) / 1000
const rounded = (all: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(all).map(([name, n]) => [name, round(n)]))
const listed = (all: Readonly<Record<string, number>>) =>
  Object.entries(all)
    .map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`)
    .join(', ')

/** As tc says it, and as a key. */
const NETWORKS = [
  { rate: '1gbit', key: '1Gbit', rounds: values.rounds },
  { rate: '200mbit', key: '200Mbit', rounds: '1' },
] as const

/** In a namespace whose loopback is as fast as a network. Undefined where there is no such thing. */
function measureAt({ rate, rounds }: (typeof NETWORKS)[number]): OverSsh | undefined {
  const inside = ['--raw', '--mb', values.mb, '--runs', '0', '--rounds', rounds]
  const slow = `tc qdisc add dev lo root tbf rate ${rate} burst 256kb latency 20ms`
  const script = `ip link set lo up && ${slow} && exec "$0" "$@"`
  const self = fileURLToPath(import.meta.url)
  const words = ['-n', 'sh', '-c', script, process.execPath, ...process.execArgv, self, ...inside]
  const { status, stdout } = spawnSync('unshare', words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return status === 0 ? (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as OverSsh) : undefined
}

const local = await measureOverSsh(wish)
if (values.raw) {
  console.log(JSON.stringify(local))
  process.exit(0)
}
const figures = {
  coldStartExtraSeconds: round(median(local.sent) - median(local.trivial)),
  throughputRatio: round(median(local.cat) / median(local.backup)),
  helperRssMB: round(Math.max(...local.borrowerMB)),
}
const beside = {
  catSeconds: round(median(local.cat)),
  backupSeconds: round(median(local.backup)),
  ownLinkSeconds: round(median(local.ownLink)),
  /** How much of the speed over an agent's own link is left over ssh. */
  ratioToOwnLink: round(median(local.ownLink) / median(local.backup)),
  processorSeconds: rounded(local.spentOverSsh),
  processorSecondsOnOwnLink: rounded(local.spentOnOwnLink),
}
const cpus = execFileSync('nproc', { encoding: 'utf8' }).trim()
console.log(`ssh host true                      ${median(local.trivial).toFixed(2)} s`)
console.log(`first answer, the bundle is sent   ${median(local.sent).toFixed(2)} s`)
console.log(`first answer, the bundle is kept   ${median(local.kept).toFixed(2)} s`)
console.log(`the borrower at most               ${figures.helperRssMB.toFixed(0)} MB`)
console.log(`${values.mb} MiB of random bytes, ${cpus} processors for all of them:`)
console.log(`  ssh host cat                     ${beside.catSeconds.toFixed(2)} s`)
console.log(`  a backup of them                 ${beside.backupSeconds.toFixed(2)} s`)
console.log(`    processor seconds              ${listed(local.spentOverSsh)}`)
console.log(`  by an agent's own link           ${beside.ownLinkSeconds.toFixed(2)} s`)
console.log(`    processor seconds              ${listed(local.spentOnOwnLink)}`)

const overNetworks: Record<string, number> = {}
for (const network of values.loopback ? [] : NETWORKS) {
  const measured = measureAt(network)
  if (!measured) {
    console.log('not measured over a network: no unshare -n, or no tc here')
    break
  }
  const [cat, backup, own] = [measured.cat, measured.backup, measured.ownLink].map(median)
  overNetworks[`throughputRatioAt${network.key}`] = round((cat ?? 0) / (backup ?? 0))
  console.log(`the same over ${network.key}/s:`)
  console.log(`  ssh host cat                     ${cat?.toFixed(2)} s`)
  console.log(`  a backup of them                 ${backup?.toFixed(2)} s`)
  console.log(`  by an agent's own link           ${own?.toFixed(2)} s`)
}
if (values.json) console.log(JSON.stringify({ ...figures, ...beside, ...overNetworks }))
