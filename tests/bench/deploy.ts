/**
 * What there is to download, how much a service leaves open, and how long a person waits: from `npm start` on a fresh
 * clone to the page that sets the hub up, and from the join command to the first finished backup of a real home.
 *
 * `npm run bench -- deploy [--only sizes|start|backup] [--home DIR] [--json]`. Sizes in units of 1000; `null` is what was not
 * measured. `--home`: a populated home to copy instead of making one.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startFleet } from '../support/fleet.ts'
import { populatedHome } from '../support/openclaw-home.ts'
import { until } from '../support/until.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    home: { type: 'string' },
  },
})
const root = fileURLToPath(new URL('../../', import.meta.url))
const ground = mkdtempSync(join(tmpdir(), 'ocm-bench-deploy-'))
const wants = (part: string) => values.only === undefined || values.only === part

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout
}

const bytesIn = (path: string): number =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
    : statSync(path).size

const rounded = (value: number, digits = 0) => Number(value.toFixed(digits))

interface Sizes {
  readonly agentBundleKB: number
  readonly hubBundleKB: number
  /** Of the larger one; null where there is no dpkg-deb. */
  readonly debMB: number | null
}

function sizes(): Sizes {
  const [dist, packages] = [join(ground, 'dist'), join(ground, 'packages')]
  run(process.execPath, 'scripts/build.ts', '--out', dist)
  const hub = ['ocm-hub.mjs', 'ui', 'api-docs'].map((name) => bytesIn(join(dist, name)))
  run(process.execPath, 'scripts/packages.ts', '--dist', dist, '--out', packages, '--only', 'deb')
  const debs = readdirSync(packages).map((name) => bytesIn(join(packages, name)))
  return {
    agentBundleKB: rounded(bytesIn(join(dist, 'ocm-agent.mjs')) / 1000),
    hubBundleKB: rounded(hub.reduce((sum, one) => sum + one, 0) / 1000),
    debMB: debs.length === 0 ? null : rounded(Math.max(...debs) / 1e6, 1),
  }
}

/** As systemd judges a unit, from 0 to 10; null where it is not there. */
function exposure(unit: string, instance = unit): number | null {
  const text = readFileSync(`${root}deploy/${unit}`, 'utf8')
  writeFileSync(join(ground, instance), text)
  const args = ['security', '--offline=true', join(ground, instance)]
  const { stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  const found = /Overall exposure level for .*: ([\d.]+) /.exec(stdout ?? '')?.[1]
  return found === undefined ? null : Number(found)
}

async function firstPage(): Promise<number> {
  const clone = join(ground, 'clone')
  run('git', 'clone', '--quiet', root, clone)
  const began = performance.now()
  const args = ['start', '--', '--port', '0', '--data', join(ground, 'data')]
  const child = spawn('npm', args, {
    cwd: clone,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => {
      output += part.toString()
    })
  }
  try {
    const link = /(http:\/\/\S+)\/setup#\S+/
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`npm start ended:\n${output}`)
        return link.test(output)
      },
      { timeoutMs: 600_000, what: 'npm start prints its set-up link' },
    )
    const at = /listening at (http:\/\/[\d.]+:\d+)/.exec(output)?.[1] ?? link.exec(output)?.[1]
    const page = await fetch(`${at}/setup`)
    if (!page.ok || !(await page.text()).includes('<script')) throw new Error('no set-up page')
    return (performance.now() - began) / 1000
  } finally {
    await endGroup(child)
  }
}

/** npm does not pass on what it is told to end by. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return
  const ended = once(child, 'close')
  process.kill(-child.pid, 'SIGTERM')
  await ended
}

async function firstBackup(): Promise<number> {
  const home = values.home === undefined ? await populatedHome() : join(ground, 'home')
  if (values.home !== undefined) run('cp', '-a', values.home, home)
  run(process.execPath, 'scripts/build.ts')
  const fleet = await startFleet(ground)
  try {
    const began = performance.now()
    await fleet.enrol('alice', home, ground)
    await fleet.operator.json('backup', 'alice')
    return (performance.now() - began) / 1000
  } finally {
    await fleet.stop()
  }
}

try {
  const none: Sizes | Record<keyof Sizes, null> = {
    agentBundleKB: null,
    hubBundleKB: null,
    debMB: null,
  }
  const figures = {
    ...(wants('sizes') ? sizes() : none),
    hubExposure: exposure('ocm-hub.service'),
    agentExposure: exposure('ocm-agent@.service', 'ocm-agent@alice.service'),
    firstPageSeconds: wants('start') ? rounded(await firstPage(), 1) : null,
    firstBackupSeconds: wants('backup') ? rounded(await firstBackup(), 1) : null,
  }
  console.log(`agent bundle        ${figures.agentBundleKB} kB  (at most 1000)`)
  console.log(`hub with dashboard  ${figures.hubBundleKB} kB  (at most 6000)`)
  console.log(`larger .deb         ${figures.debMB} MB  (at most 35)`)
  console.log(`exposure, hub       ${figures.hubExposure}  (at most 1.5)`)
  console.log(`exposure, agent     ${figures.agentExposure}  (system unit; at most 2.0)`)
  console.log(`npm start to page   ${figures.firstPageSeconds} s  (aim 90)`)
  console.log(`join to backup      ${figures.firstBackupSeconds} s  (aim 20)`)
  if (values.json) console.log(JSON.stringify(figures))
} finally {
  rmSync(ground, { recursive: true, force: true })
}
