/**
 * Where OpenClaw has never run and the account has a service manager, the first start is the one that OpenClaw's own
 * `gateway install` makes: a unit that is there again after a reboot. Taken back, the unit is gone.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import type { Gateway } from '../installation.port.ts'
import { errno } from './errno.ts'
import type { GatewaySite } from './gateway-site.ts'
import {
  type UnitMemory,
  control,
  demand,
  isUnitMemory,
  unitGateway,
  unitName,
} from './gateway-unit.ts'

export interface NewUnitMemory extends UnitMemory {
  /** Directories that were not there, the innermost first. */
  readonly made: readonly string[]
  /** What OpenClaw has made, so that taking it away can be taken back; absent before there was anything. */
  readonly text?: string
  /** Whether it started with the account's manager. */
  readonly isWanted?: boolean
}

export const isNewUnitMemory = (value: unknown): value is NewUnitMemory =>
  isUnitMemory(value) && 'made' in value && Array.isArray(value.made)

/** What makes it start with the account's manager. */
const WANTED_BY = 'default.target.wants'

/** @returns undefined where OpenClaw would not install one, or nobody would run it. */
export async function newUnit(site: GatewaySite): Promise<NewUnitMemory | undefined> {
  const { home, profile, bin } = site
  const usual = path.join(home, `.openclaw${profile === '' ? '' : `-${profile}`}`)
  // OpenClaw makes services for the account's own home only.
  if (bin === null || home !== userInfo().homedir || site.stateDir !== usual) return undefined
  const answered = await control('user-unit', ['show', '-p', 'Version'])
  if (answered?.status !== 0) return undefined
  const unit = unitName(site)
  const file = path.join(home, '.config/systemd/user', unit)
  // One that this manager does not run, or not for this installation. It is not ours to take away again.
  if (existsSync(file)) return undefined
  const folders = [WANTED_BY, '.', '..', '../..'].map((one) => path.join(path.dirname(file), one))
  return { kind: 'user-unit', unit, file, made: folders.filter((folder) => !existsSync(folder)) }
}

export function newUnitGateway(site: GatewaySite, memory: NewUnitMemory): Gateway {
  const { unit, file } = memory
  const wanted = path.join(path.dirname(file), WANTED_BY, unit)
  const gateway = unitGateway(site, memory)
  return {
    ...gateway,
    isNew: true,

    /** Nobody starts a unit that is not there. */
    async mask() {
      if (!existsSync(file)) return
      for (const one of [wanted, `${file}.bak`, file]) await rm(one, { force: true })
      demand(await control('user-unit', ['daemon-reload']))
      for (const folder of memory.made) await removeIfEmpty(folder)
    },
    async unmask() {
      if (memory.text === undefined || existsSync(file)) return
      await mkdir(path.dirname(wanted), { recursive: true })
      await writeFile(file, memory.text, { mode: 0o600 })
      if (memory.isWanted && !existsSync(wanted)) await symlink(file, wanted)
      demand(await control('user-unit', ['daemon-reload']))
    },

    async remember() {
      const known = (await gateway.remember()) as NewUnitMemory
      if (!existsSync(file)) return known
      return { ...known, text: readFileSync(file, 'utf8'), isWanted: existsSync(wanted) }
    },
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errno(error) ?? '')) throw error
  }
}
