/**
 * Asks this machine's OpenClaw whether it would take a staged tree. Its command may write where it looks, so it is
 * shown a copy of what it needs: configuration, plugins and databases, without workspaces and history.
 */
import { constants, existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { OcmError, isWithin, pathToBytes } from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import { removeLockTraces } from './lock-traces.ts'
import { parsed } from './salvage.ts'
import { type Ran, run, withOwnNode } from './run.ts'
import { isTree } from './tree.ts'

const COMMAND_MS = 120_000
const TEXT_MAX_BYTES = 4 * 1024 * 1024
/** The plan has compared schema numbers; a copy of a database beyond this costs more than the second look is worth. */
const DATABASE_MAX_BYTES = 512 * 1024 * 1024

/**
 * @param bin the `openclaw` command.
 * @throws OcmError 'openclaw-missing', 'openclaw-older', 'openclaw-unhealthy'; what OpenClaw said is the cause
 */
export async function validateStaged(staged: Staged, bin: string | null): Promise<void> {
  if (bin === null) throw new OcmError('openclaw-missing')
  const state = staged.to.roots['state'] as string
  const copy = `${staged.at(state)}-check`
  await rm(copy, { recursive: true, force: true })
  try {
    await copyState(staged, state, copy)
    await checkConfig(staged, bin, copy)
    for (const database of databasesOf(staged, state)) {
      await checkDatabase(staged, bin, copy, database)
    }
  } finally {
    removeLockTraces(copy)
    await rm(copy, { recursive: true, force: true })
  }
}

type StagedFile = Staged['files'][number]

const isNeeded = ({ absolute, kind, section }: StagedFile, state: string): boolean =>
  isWithin(state, absolute) &&
  (kind === 'database' || (kind === 'file' && section !== 'workspaces' && section !== 'history'))

async function copyState(staged: Staged, state: string, copy: string): Promise<void> {
  await mkdir(copy, { mode: 0o700 })
  for (const file of staged.files.filter((one) => isNeeded(one, state))) {
    if ((await stat(onDisk(staged.at(file.absolute)))).size > DATABASE_MAX_BYTES) continue
    const to = copy + file.absolute.slice(state.length)
    await mkdir(onDisk(path.dirname(to)), { recursive: true, mode: 0o700 })
    await copyFile(onDisk(staged.at(file.absolute)), onDisk(to), constants.COPYFILE_FICLONE)
    if (/\.json5?$/.test(to)) await readdress(to, state, copy)
  }
}

const onDisk = (absolute: string): Buffer => Buffer.from(pathToBytes(absolute))

/** Includes that are named by their absolute place are to be found in the copy. */
async function readdress(file: string, state: string, copy: string): Promise<void> {
  if ((await stat(file)).size > TEXT_MAX_BYTES) return
  const text = await readFile(file, 'latin1')
  const [was, is] = [state, copy].map((at) => onDisk(at).toString('latin1')) as [string, string]
  if (text.includes(was)) await writeFile(file, text.replaceAll(was, is), 'latin1')
}

const ask = (bin: string, args: readonly string[], copy: string, config?: string) =>
  run(bin, args, {
    cwd: copy,
    timeoutMs: COMMAND_MS,
    env: {
      HOME: copy,
      PATH: withOwnNode(process.env['PATH']),
      LANG: 'C.UTF-8',
      OPENCLAW_STATE_DIR: copy,
      ...(config === undefined ? {} : { OPENCLAW_CONFIG_PATH: config }),
      OPENCLAW_OFFLINE: '1',
      OPENCLAW_NO_AUTO_UPDATE: '1',
      OPENCLAW_DISABLE_BONJOUR: '1',
    },
  })

async function checkConfig(staged: Staged, bin: string, copy: string): Promise<void> {
  const config = ['openclaw.json', 'clawdbot.json']
    .map((name) => path.join(copy, name))
    .find((file) => existsSync(file))
  if (config === undefined) return
  const ran = await ask(bin, ['config', 'validate', '--json'], copy, config)
  if (ran === undefined) throw new OcmError('openclaw-missing')
  if (ran.status === 0) return
  const [theirs, here] = [staged.from.versions.openclaw, staged.to.versions.openclaw]
  const older = compareVersions(theirs, here)
  if (older > 0) throw new OcmError('openclaw-older', { here, theirs }, { cause: said(ran) })
  // A start brings an older configuration up to date, which validation does not.
  if (older < 0 && staged.choices.allowUpgrade) return
  throw new OcmError('openclaw-unhealthy', { step: 'config' }, { cause: said(ran) })
}

interface Database {
  /** Below the state directory. */
  readonly inside: string
  /** Null for the database of the whole node. */
  readonly persona: string | null
}

function databasesOf(staged: Staged, state: string): readonly Database[] {
  return staged.files.flatMap(({ absolute, kind }): Database[] => {
    if (kind !== 'database' || !isWithin(state, absolute)) return []
    const inside = absolute.slice(state.length + 1)
    const persona = /^agents\/([^/]+)\/agent\/openclaw-agent\.sqlite$/.exec(inside)?.[1]
    if (persona !== undefined) return [{ inside, persona }]
    return inside === 'state/openclaw.sqlite' ? [{ inside, persona: null }] : []
  })
}

async function checkDatabase(
  staged: Staged,
  bin: string,
  copy: string,
  { inside, persona }: Database,
): Promise<void> {
  const file = path.join(copy, inside)
  if (!existsSync(file)) return
  const args =
    persona === null
      ? ['database', 'preflight', file, '--json']
      : ['database', 'preflight-agent', file, '--agent-id', persona, '--json']
  const ran = await ask(bin, args, copy)
  const answer = ran === undefined ? undefined : parsed(ran.stdout)
  if (ran === undefined || !isTree(answer)) {
    throw new OcmError('openclaw-unhealthy', { step: 'database' }, { cause: said(ran) })
  }
  const [found, target] = [Number(answer['foundVersion']), Number(answer['targetVersion'])]
  if (found > target) {
    const { openclaw: theirs } = staged.from.versions
    const here = staged.to.versions.openclaw
    throw new OcmError('openclaw-older', { here, theirs, found, target })
  }
  if (answer['status'] === 'incompatible') {
    throw new OcmError('openclaw-unhealthy', { step: 'database' }, { cause: said(ran) })
  }
}

const said = (ran: Ran | undefined): Error =>
  new Error(
    `status ${ran?.status ?? 'none'}: ${`${ran?.stdout ?? ''}\n${ran?.stderr ?? ''}`.trim().slice(0, 4000)}`,
  )

/** Of dotted numbers; 0 also when one of them is not known. */
function compareVersions(a: string, b: string): number {
  const [as, bs] = [a, b].map((version) =>
    /^\d+(?:\.\d+)*/.exec(version)?.[0].split('.').map(Number),
  )
  if (!as || !bs) return 0
  for (let i = 0; i < Math.max(as.length, bs.length); i++) {
    const difference = (as[i] ?? 0) - (bs[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
