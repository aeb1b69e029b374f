/** The whole life of both Debian packages in a clean root, with a real OpenClaw home between. */
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CleanRoot, cleanRoot, putInto, terminate } from '../clean-root.ts'
import { OPENCLAW } from '../openclaw.ts'
import { ALICE } from '../openclaw-home.ts'
import { operatorAt } from '../programs.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'
import { startedBy } from './units.ts'

const HUB_DATA = '/var/lib/ocm-hub'
const AGENT_STATE = `${ALICE}/.local/state/ocm-agent`
/** Its tree as it lies in this workspace; it is large, so it is mounted for reading and not copied. */
const TREE = realpathSync(fileURLToPath(new URL('../../../node_modules', import.meta.url)))

export interface FromDebs {
  readonly ground: string
  readonly packages: readonly string[]
  /** Where the `ocm` of the operator is. */
  readonly dist: string
  /** A populated home, to be copied. */
  readonly home: string
}

export interface Times {
  /** From the join command to the end of the first backup. */
  readonly firstBackupSeconds: number
}

/** @throws Error where a step does not do what it should */
export async function fromTheDebs({ ground, packages, dist, home }: FromDebs): Promise<Times> {
  const root = cleanRoot(join(ground, 'root'), [TREE])
  const running: Running[] = []
  try {
    withOpenClaw(root, home)
    const before = new Set(root.files())
    install(root, packages)

    const port = await freePort()
    appendFileSync(join(root.path, 'etc/default/ocm-hub'), `OCM_HUB_OPTIONS="--port ${port}"\n`)
    must(root.run(['install', '-d', '-m', '0700', '-o', 'ocm-hub', '-g', 'ocm-hub', HUB_DATA]))
    const hub = watch(
      root,
      startedBy(root.path, 'lib/systemd/system/ocm-hub.service', { STATE_DIRECTORY: HUB_DATA }),
      'ocm-hub',
    )
    running.push(hub)
    const link = await hub.said(/(http:\/\/\S+\/setup#\S+)/)
    process.env['OCM_DIST'] = dist
    const operator = operatorAt(join(ground, 'operator'), `http://127.0.0.1:${port}`)
    await operator.json('setup', '--link', link, '--name', 'olivia')

    const { join: ticket } = await operator.json<{ join: string }>('ticket', '--label', 'alice')
    const began = performance.now()
    must(root.run(['ocm-agent', 'join'], { user: 'alice', input: ticket }))
    const agent = watch(
      root,
      startedBy(root.path, 'usr/lib/systemd/user/ocm-agent.service', {}),
      'alice',
    )
    running.push(agent)
    await agent.said(/("msg":"connected")/)
    const { snapshot } = await operator.json<{ snapshot: string }>('backup', 'alice')
    const firstBackupSeconds = (performance.now() - began) / 1000
    const checked = await operator.json<{ ok: boolean }>('verify', 'alice')
    if (!checked.ok) throw new Error('the backup does not verify')
    const listed = await operator.ocm('ls', snapshot)
    if (listed.code !== 0 || !listed.out.includes('MEMORY.md')) throw new Error(`ls: ${listed.out}`)
    console.log(`  first backup ${firstBackupSeconds.toFixed(1)} s after the join command`)

    for (const one of running.toReversed()) await one.stop()
    uninstall(root, packages, before)
    return { firstBackupSeconds }
  } finally {
    for (const one of running.toReversed()) await one.stop()
    root.remove()
  }
}

/** An account with a real home of OpenClaw, and the OpenClaw and Node that it runs. */
function withOpenClaw(root: CleanRoot, home: string): void {
  must(root.run(['useradd', '--home-dir', ALICE, '--no-create-home', 'alice']))
  putInto(root, home, ALICE)
  putInto(root, realpathSync(process.execPath), '/usr/local/bin/node')
  must(root.run(['ln', '-s', OPENCLAW, '/usr/local/bin/openclaw']))
  must(root.run(['chown', '-R', 'alice:alice', ALICE]))
  // The way to it is under /tmp, which is everybody's.
  for (let folder = join(ALICE, '..'); folder !== '/tmp'; folder = join(folder, '..')) {
    chmodSync(join(root.path, folder), 0o755)
  }
}

function install(root: CleanRoot, packages: readonly string[]): void {
  mkdirSync(join(root.path, 'var/cache/ocm'), { recursive: true })
  for (const file of packages) putInto(root, file, `/var/cache/ocm/${basename(file)}`)
  // A package starts nothing where a test installs it.
  writeFileSync(join(root.path, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const files = packages.map((file) => `/var/cache/ocm/${basename(file)}`)
  must(root.run(['dpkg', '--install', ...files]))
  must(root.run(['rm', '/usr/sbin/policy-rc.d']))
}

/** Purged, what is there and was not before lies in what the packages named when they went. */
function uninstall(
  root: CleanRoot,
  packages: readonly string[],
  before: ReadonlySet<string>,
): void {
  const names = packages.map((file) => basename(file).split('_')[0] ?? '')
  const { code, out } = root.run(['dpkg', '--purge', ...names])
  if (code !== 0) throw new Error(`dpkg --purge: ${out}`)
  const named = [...out.matchAll(/^Kept: (\S+)/gm)].map(([, path = '']) => path)
  console.log(
    `  ${out
      .split('\n')
      .filter((line) => line.startsWith('Kept'))
      .join('\n  ')}`,
  )
  for (const path of [HUB_DATA, AGENT_STATE]) {
    if (!named.includes(path)) throw new Error(`${path} is kept, and nobody says so:\n${out}`)
  }
  // The account that owns the data, and what was copied before it was made.
  const OF_THE_ACCOUNT = /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-?$/
  const left = root
    .files()
    .filter((path) => !before.has(path) && !OF_THE_ACCOUNT.test(path))
    .filter((path) => !named.some((folder) => path.startsWith(`${folder}/`)))
  if (left.length > 0) throw new Error(`left behind: ${left.join(' ')}`)
}

function must({ code, out }: { readonly code: number; readonly out: string }): void {
  if (code !== 0) throw new Error(`answered ${code}:\n${out}`)
}

interface Running {
  /** What stands in the first brackets of it. */
  said(what: RegExp): Promise<string>
  stop(): Promise<void>
}

function watch(
  root: CleanRoot,
  { command, env }: ReturnType<typeof startedBy>,
  user: string,
): Running {
  const child: ChildProcess = root.start(command, { user, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part: Buffer) => {
      output += part.toString()
    })
  }
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  return {
    async said(what) {
      await until(
        () => {
          if (isOver()) throw new Error(`${command.join(' ')} ended:\n${output}`)
          return what.test(output)
        },
        { timeoutMs: 30_000, what: `${command[0]} says ${what}:\n${output}` },
      )
      return what.exec(output)?.[1] ?? ''
    },
    async stop() {
      if (isOver()) return
      const ended = once(child, 'exit')
      terminate(child)
      await ended
    },
  }
}
