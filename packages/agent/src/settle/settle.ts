/**
 * An agent that came over SSH for one job stays: its program is put beside its state, a user unit keeps it running, and
 * from now on it dials the hub. It keeps its state directory, so it is the same node and its history goes on.
 */
import { chmod, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { run } from '../openclaw/run.ts'
import { userctl } from '../openclaw/user-manager.ts'
import { writeDurable } from '../store/durable.ts'
import { unitText } from './unit.ts'

export interface SettleParts {
  readonly stateDir: string
  /** The home of the account that runs OpenClaw. */
  readonly home: string
  /** The home of the account that this is. */
  readonly account: string
  readonly openclawBin?: string | undefined
  /** The one file that the agent is. */
  readonly program: string
  /** Where the hub is reached from now on; answers when it is on disk. */
  readonly rehome: (urls: readonly string[]) => Promise<void>
}

export interface Settled {
  /** It also runs while nobody is logged in. False: an administrator has to allow it. */
  readonly lingers: boolean
}

const ASK_MS = 15_000

/**
 * Done again, it does the same. The unit is started while this process still holds the state directory: the service
 * manager tries again every five seconds until it is gone.
 * @throws OcmError 'user-manager-missing', 'agent-not-installed'
 */
export async function settle(parts: SettleParts, urls: readonly string[]): Promise<Settled> {
  const { stateDir, home, account, openclawBin } = parts
  const managed = await userctl(['show-environment'], ASK_MS)
  if (managed?.status !== 0) throw new OcmError('user-manager-missing')

  const program = join(account, '.local/share/ocm-agent/ocm-agent.mjs')
  await writeDurable(program, await readFile(parts.program))
  await chmod(program, 0o700)
  const tried = await run(process.execPath, [program, '--version'], { timeoutMs: ASK_MS })
  if (tried?.status !== 0) throw new OcmError('agent-not-installed', { step: 'program' })

  const units = join(account, '.config/systemd/user')
  // Of a second node of one account the directory's name goes on: ocm-agent-PROFILE.
  const unit = `${basename(stateDir)}.service`
  const runs = { node: process.execPath, program, stateDir, home, openclawBin }
  await writeDurable(join(units, unit), unitText(runs))
  await enable(units, unit)
  const reloaded = await userctl(['daemon-reload'], ASK_MS)
  if (reloaded?.status !== 0) throw new OcmError('agent-not-installed', { step: 'reload' })
  const lingers = await linger()
  await parts.rehome(urls)
  const started = await userctl(['restart', '--no-block', unit], ASK_MS)
  if (started?.status !== 0) throw new OcmError('agent-not-installed', { step: 'start' })
  return { lingers }
}

/** What `systemctl enable` does for an [Install] of this kind. */
async function enable(units: string, unit: string): Promise<void> {
  const wants = join(units, 'default.target.wants')
  await mkdir(wants, { recursive: true, mode: 0o700 })
  await rm(join(wants, unit), { force: true })
  await symlink(`../${unit}`, join(wants, unit))
}

/** An account may let itself linger where the machine's policy says so; where not, only whether it does can be told. */
async function linger(): Promise<boolean> {
  await run('loginctl', ['enable-linger'], { timeoutMs: ASK_MS })
  const asked = ['show-user', String(process.getuid?.()), '--property=Linger', '--value']
  return (await run('loginctl', asked, { timeoutMs: ASK_MS }))?.stdout.trim() === 'yes'
}
