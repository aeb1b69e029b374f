/** A gateway that systemd runs, for this account or for the machine. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readlink, symlink, unlink } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import path from 'node:path'
import { type Layout, OcmError } from '@ocm/protocol'
import { tombstoneOf } from '../apply/tombstone.port.ts'
import type { Gateway } from '../installation.port.ts'
import { errno } from './errno.ts'
import { mayWrite } from './gateway-obstacle.ts'
import type { GatewaySite } from './gateway-site.ts'
import { STOP_MS, stopProcesses } from './gateway-process.ts'
import { gatewayProcesses, isReady, waitUntil } from './gateway-watch.ts'
import { liveLock } from './locks.ts'
import { type Ran, run, withOwnNode } from './run.ts'
import { isTree } from './tree.ts'
import { userctl, withUserManager } from './user-manager.ts'

export interface UnitMemory {
  readonly kind: 'user-unit' | 'system-unit'
  readonly unit: string
  /** The unit's own file, also while it is masked. */
  readonly file: string
  /** What the unit pins, as OpenClaw installed it. */
  readonly port?: number
}

export const isUnitMemory = (value: unknown): value is UnitMemory =>
  isTree(value) && (value['kind'] === 'user-unit' || value['kind'] === 'system-unit')

const ASK_MS = 15_000
const INSTALL_MS = 180_000

export const unitName = ({ profile }: GatewaySite) =>
  `openclaw-gateway${profile === '' ? '' : `-${profile}`}.service`

export const control = (kind: UnitMemory['kind'], args: readonly string[], timeoutMs = ASK_MS) =>
  kind === 'user-unit' ? userctl(args, timeoutMs) : run('systemctl', args, { timeoutMs })

/** The unit that runs this installation; undefined when none does, or its manager cannot be asked. */
export async function findUnit(site: GatewaySite): Promise<UnitMemory | undefined> {
  return (await findUserUnit(site)) ?? (await findSystemUnit(site))
}

async function findUserUnit(site: GatewaySite): Promise<UnitMemory | undefined> {
  const unit = unitName(site)
  const file = path.join(site.home, '.config/systemd/user', unit)
  if (!existsSync(file)) return undefined
  const shown = await show('user-unit', unit)
  const known = [file, maskOf({ kind: 'user-unit', unit, file })].includes(
    shown?.['FragmentPath'] ?? '',
  )
  return known ? { kind: 'user-unit', unit, file } : undefined
}

async function findSystemUnit(site: GatewaySite): Promise<UnitMemory | undefined> {
  const unit = unitName(site)
  const shown = await show('system-unit', unit)
  const file = [
    '/etc/systemd/system',
    '/usr/local/lib/systemd/system',
    '/usr/lib/systemd/system',
    '/lib/systemd/system',
  ]
    .map((folder) => path.join(folder, unit))
    .find((candidate) => existsSync(candidate))
  if (shown === undefined || file === undefined) return undefined
  const text = readFileSync(file, 'utf8')
  const user = /^User=(.+)$/m.exec(text)?.[1]?.trim() ?? 'root'
  const ours =
    text.includes(`HOME=${site.home}\n`) ||
    text.includes(`HOME=${site.home}"`) ||
    text.includes(`OPENCLAW_STATE_DIR=${site.stateDir}`) ||
    (user === userInfo().username && site.home === homedir())
  return ours ? { kind: 'system-unit', unit, file } : undefined
}

async function show(
  kind: UnitMemory['kind'],
  unit: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  const ran = await control(kind, [
    'show',
    unit,
    '-p',
    'LoadState,ActiveState,FragmentPath,MainPID',
  ])
  if (ran?.status !== 0) return undefined
  return Object.fromEntries(
    ran.stdout.split('\n').flatMap((line) => {
      const at = line.indexOf('=')
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : []
    }),
  )
}

/**
 * `systemctl mask` refuses where the unit's own file lies in the directory it would use, and a link under /run is
 * gone after a reboot. This directory comes before every other one and is kept.
 */
const maskOf = ({ kind, unit, file }: UnitMemory): string =>
  kind === 'user-unit'
    ? path.join(path.dirname(path.dirname(file)), 'user.control', unit)
    : path.join('/etc/systemd/system.control', unit)

const isActive = (shown: Readonly<Record<string, string>> | undefined): boolean =>
  ['active', 'activating', 'deactivating', 'reloading'].includes(shown?.['ActiveState'] ?? '')

export function unitGateway(
  site: GatewaySite,
  memory: UnitMemory,
  timeouts: { readonly stopMs?: number } = {},
): Gateway {
  const { kind, unit } = memory
  const stopMs = timeouts.stopMs ?? STOP_MS
  const isRunning = async () =>
    isActive(await show(kind, unit)) || gatewayProcesses(site).length > 0

  const reload = async () => {
    demand(await control(kind, ['daemon-reload']))
  }

  return {
    kind,
    isRunning,

    async stop() {
      const port = liveLock(site.stateDir)?.port ?? 0
      if (isActive(await show(kind, unit))) {
        // systemctl waits as long as the unit's own TimeoutStopSec.
        const ran = await control(kind, ['stop', unit], stopMs + ASK_MS)
        if (ran?.status !== 0) throw new OcmError('gateway-will-not-stop')
      }
      // One that somebody started by hand beside the unit goes too.
      await stopProcesses(site, gatewayProcesses(site), port, stopMs)
    },

    async obstacle() {
      // What the account's own manager runs is its own.
      return mayWrite(maskOf(memory)) ? undefined : 'gateway-not-allowed'
    },

    async mask() {
      const mask = maskOf(memory)
      await mkdir(path.dirname(mask), { recursive: true, mode: 0o700 })
      if (!(await isMask(mask))) await symlink('/dev/null', mask)
      await reload()
    },

    async unmask() {
      const mask = maskOf(memory)
      if (await isMask(mask)) await unlink(mask)
      await reload()
    },

    async start(layout, how) {
      if (existsSync(tombstoneOf(site.stateDir))) throw new OcmError('source-fenced')
      const isBefore = how === 'as-before'
      const pinned = isBefore ? memory.port : undefined
      // A launch that failed may have written it anew for another port.
      const isFine = isBefore
        ? existsSync(memory.file) && (pinned === undefined || portOf(textOf(memory)) === pinned)
        : fits(memory, site, layout)
      if (kind === 'user-unit' && !isFine) await install(site, pinned ?? layout.port)
      await reload()
      // Says no when there was no failure to forget, which is as good.
      await control(kind, ['reset-failed', unit])
      demand(await control(kind, ['start', unit], INSTALL_MS))
    },

    waitReady: async (layout, timeoutMs) => {
      await waitUntil(
        async () =>
          (await show(kind, unit))?.['ActiveState'] === 'failed' ||
          (await isReady(site.stateDir, layout.port)),
        timeoutMs,
      )
      return isReady(site.stateDir, layout.port)
    },

    lastWords: async () => {
      const of = kind === 'user-unit' ? '--user-unit' : '--unit'
      const ran = await run('journalctl', [of, unit, '-n', '40', '--no-pager', '-o', 'cat'], {
        timeoutMs: ASK_MS,
      })
      return ran?.status === 0 ? ran.stdout : ''
    },

    async remember() {
      const port = portOf(textOf(memory))
      return port === undefined ? memory : { ...memory, port }
    },
  }
}

async function isMask(file: string): Promise<boolean> {
  try {
    return (await readlink(file)) === '/dev/null'
  } catch (error) {
    if (errno(error) === 'ENOENT') return false
    throw error
  }
}

/** @throws OcmError 'openclaw-unhealthy' */
export function demand(ran: Ran | undefined): void {
  if (ran?.status === 0) return
  throw new OcmError('openclaw-unhealthy', { step: 'service-manager', status: ran?.status ?? -1 })
}

const textOf = ({ file }: UnitMemory): string =>
  existsSync(file) ? readFileSync(file, 'utf8') : ''

function portOf(text: string): number | undefined {
  const port = /^ExecStart=.*\s--port[= ](\d+)/m.exec(text)?.[1]
  return port === undefined ? undefined : Number(port)
}

/** OpenClaw writes home and port into the unit, and the port there beats the configured one. */
function fits(memory: UnitMemory, site: GatewaySite, layout: Layout): boolean {
  const text = textOf(memory)
  const port = portOf(text)
  const home = /^Environment="?HOME=([^"\n]+)"?$/m.exec(text)?.[1]
  return (
    text !== '' &&
    (port === undefined || port === layout.port) &&
    (home === undefined || home === site.home)
  )
}

/** @throws OcmError 'openclaw-missing', 'openclaw-unhealthy' */
async function install(site: GatewaySite, port: number): Promise<void> {
  if (site.bin === null) throw new OcmError('openclaw-missing')
  const args = ['gateway', 'install', '--force', '--port', String(port), '--json']
  const own = { ...process.env, HOME: site.home, PATH: withOwnNode(process.env['PATH']) }
  const env = withUserManager(own)
  const ran = await run(site.bin, args, { env, cwd: site.home, timeoutMs: INSTALL_MS })
  if (ran === undefined) throw new OcmError('openclaw-missing')
  demand(ran)
}
