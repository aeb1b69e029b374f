/**
 * Asks this machine's OpenClaw whether it would take a staged tree. Its command may write where it looks, so it is
 * shown a copy of what it needs: configuration, plugins and databases, without workspaces and history.
 */
import { constants, existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { OcmError, isWithin, pathToBytes, placeOf } from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import { removeLockTraces } from './lock-traces.ts'
import { parsed } from './salvage.ts'
import { type Ran, run, withOwnNode } from './run.ts'
import { entriesIn } from './graft/config-ties.ts'
import { roleOf } from './rows.ts'
import { isTree, textAt } from './tree.ts'

const COMMAND_MS = 120_000
const TEXT_MAX_BYTES = 4 * 1024 * 1024
/** The plan has compared schema numbers; a copy of a database beyond this costs more than the second look is worth. */
const DATABASE_MAX_BYTES = 512 * 1024 * 1024

/**
 * @param bin the `openclaw` command.
 * @returns the databases of OpenClaw that it was not asked about, with why not
 * @throws OcmError 'openclaw-missing', 'openclaw-older', 'openclaw-unhealthy'; what OpenClaw said is the cause
 */
export async function validateStaged(
  staged: Staged,
  bin: string | null,
): Promise<readonly string[]> {
  if (bin === null) throw new OcmError('openclaw-missing')
  const state = staged.to.roots['state'] as string
  const copy = `${staged.at(state)}-check`
  await rm(copy, { recursive: true, force: true })
  try {
    await copyState(staged, state, copy)
    await checkConfig(staged, bin, copy)
    const unasked: string[] = []
    for (const [i, database] of databasesOf(staged, await directoriesIn(copy)).entries()) {
      const why = await checkDatabase(staged, bin, copy, {
        ...database,
        as: `ocm-asked-${i}.sqlite`,
      })
      if (why !== '') unasked.push(`${database.absolute} (${why})`)
    }
    return unasked
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
  /** Where it is going to live. */
  readonly absolute: string
  /** Null for the database of the whole node; undefined when nobody says whose it is. */
  readonly persona: string | null | undefined
}

/** Directories of personas, as the configuration names them where they are not the usual ones. */
async function directoriesIn(copy: string): Promise<ReadonlyMap<string, string>> {
  const file = path.join(copy, 'openclaw.json')
  if (!existsSync(file)) return new Map()
  const tree = parsed(await readFile(file, 'utf8'))
  if (!isTree(tree)) return new Map()
  return new Map(
    entriesIn(tree).flatMap(({ id, fields }) => {
      const directory = textAt(fields, 'agentDir')
      return directory === undefined ? [] : [[directory.replace(/\/+$/, ''), id] as const]
    }),
  )
}

/** @param directories places in the copy, as it is named there */
function databasesOf(
  staged: Staged,
  directories: ReadonlyMap<string, string>,
): readonly Database[] {
  const state = staged.to.roots['state'] as string
  return staged.files.flatMap(({ absolute, kind }): Database[] => {
    const place = kind === 'database' ? placeOf(staged.to, absolute) : undefined
    const role = place === undefined ? undefined : roleOf(place)
    if (place === undefined || (role !== 'state' && role !== 'agent')) return []
    if (role === 'state') return [{ absolute, persona: null }]
    const usual = /^agents\/([^/]+)\/agent\/openclaw-agent\.sqlite$/.exec(place.path)?.[1]
    const own = /^extra:(?:persona|database)-(.+)$/.exec(place.root)?.[1]
    const directory = path.dirname(absolute)
    // In the copy the state directory goes by the copy's name.
    const named = [directory, `${staged.at(state)}-check${directory.slice(state.length)}`]
      .map((one) => directories.get(one))
      .find((one) => one !== undefined)
    return [{ absolute, persona: named ?? (place.root === 'state' ? usual : own) }]
  })
}

/** @returns why it was not asked; '' when it was. */
async function checkDatabase(
  staged: Staged,
  bin: string,
  copy: string,
  { absolute, persona, as }: Database & { readonly as: string },
): Promise<string> {
  const from = onDisk(staged.at(absolute))
  const { size } = await stat(from)
  if (size > DATABASE_MAX_BYTES) return `${Math.round(size / 1024 / 1024)} MB`
  if (persona === undefined) return 'of a persona that is not known'
  const state = staged.to.roots['state'] as string
  const isInside = isWithin(state, absolute)
  const file = isInside ? copy + absolute.slice(state.length) : path.join(copy, as)
  if (!isInside) await copyFile(from, file, constants.COPYFILE_FICLONE)
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
  return ''
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
