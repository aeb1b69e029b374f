/**
 * The newest restic, its REST server and borg that Debian's suites have, unpacked beside the bench: the machine's own
 * sources with the suite renamed. What cannot be fetched is taken from PATH, and the bench says so.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const NEWER = 'trixie'

export interface Tool {
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly version: string
}

export interface NewerTools {
  readonly restic: Tool | undefined
  readonly restServer: string | undefined
  readonly borg: Tool | undefined
  /** What is not as it should be, for people. */
  readonly notes: readonly string[]
}

export function newerTools(scratch: string): NewerTools {
  const notes: string[] = []
  const folder = join(scratch, 'tools')
  const unpacked = join(folder, 'unpacked')
  if (!existsSync(join(folder, 'done'))) {
    try {
      fetchInto(folder, unpacked)
      writeFileSync(join(folder, 'done'), '')
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : ''
      notes.push(`newer tools could not be fetched, so those on PATH are measured (${why})`)
    }
  }
  const restic = firstThatRuns([
    { command: [join(unpacked, 'restic', 'usr/bin/restic')] },
    { command: ['restic'] },
  ])
  const python = join(unpacked, 'borg', 'usr/lib/python3/dist-packages')
  const borg = firstThatRuns([
    { command: ['/usr/bin/python3', '-m', 'borg'], env: { PYTHONPATH: python } },
    { command: ['borg'] },
  ])
  const [restServer] = globSync(join(unpacked, 'rest', 'usr/bin/*rest*server*'))
  if (!restic) notes.push('restic is not there: apt-get install restic')
  if (!restServer) notes.push("restic's REST server is not there: restic is measured locally only")
  if (!borg) notes.push('borg is not there: apt-get install borgbackup')
  return { restic, restServer, borg, notes }
}

function firstThatRuns(
  tries: readonly { readonly command: readonly string[]; readonly env?: NodeJS.ProcessEnv }[],
): Tool | undefined {
  for (const { command, env = {} } of tries) {
    const version = versionOf(command, env)
    if (version !== undefined) return { command, env, version }
  }
  return undefined
}

function versionOf(command: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const [program = '', ...args] = command
  const how = program.endsWith('restic') ? 'version' : '--version'
  try {
    const out = execFileSync(program, [...args, how], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return out.trim().replace('__main__.py', 'borg').split(' compiled')[0]
  } catch {
    return undefined // Not there, or not for this machine: the next is tried.
  }
}

/** @throws Error */
function fetchInto(folder: string, unpacked: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true })
  mkdirSync(unpacked, { recursive: true })
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  if (codename === undefined) throw new Error('this is no Debian')
  const suites = codename === NEWER ? [codename] : [NEWER, `${codename}-backports`]
  const sources = join(folder, 'newer.sources')
  writeFileSync(sources, sourcesFor(codename, suites))
  const settings = [
    ['Dir::Etc::sourcelist', sources],
    ['Dir::Etc::sourceparts', '/dev/null'],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const apt = (...args: readonly string[]) =>
    execFileSync('apt-get', [...settings, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  apt('-q', 'update')
  const unpack = (name: string, into: string) => {
    const [file] = globSync(join(folder, `${name}_*.deb`))
    if (file === undefined) throw new Error(`${name} did not come`)
    execFileSync('dpkg-deb', ['-x', file, join(unpacked, into)])
    rmSync(file)
  }
  apt('-q', 'download', `restic/${suites[0]}`, `restic-rest-server/${suites[0]}`)
  unpack('restic-rest-server', 'rest')
  unpack('restic', 'restic')
  // Its compiled parts want this machine's Python.
  for (const suite of suites) {
    apt('-q', 'download', `borgbackup/${suite}`)
    rmSync(join(unpacked, 'borg'), { recursive: true, force: true })
    unpack('borgbackup', 'borg')
    const env = { PYTHONPATH: join(unpacked, 'borg', 'usr/lib/python3/dist-packages') }
    if (versionOf(['/usr/bin/python3', '-m', 'borg'], env) !== undefined) return
  }
}

/** The machine's own sources of its suite, naming other suites. */
function sourcesFor(codename: string, suites: readonly string[]): string {
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*')].filter(
    existsSync,
  )
  const stanzas = files
    .filter((file) => file.endsWith('.sources'))
    .flatMap((file) => readFileSync(file, 'utf8').split(/\n\s*\n/))
    .filter((stanza) => new RegExp(`^Suites:.*\\b${codename}(?:\\s|$)`, 'm').test(stanza))
    .map((stanza) => stanza.replace(/^Suites:.*$/m, `Suites: ${suites.join(' ')}`))
  const lines = files
    .filter((file) => file.endsWith('.list'))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .map(
      (line) =>
        /^deb\s+(?:\[(?<options>[^\]]*)\]\s+)?(?<uri>\S+)\s+(?<suite>\S+)\s+(?<parts>.+)$/.exec(
          line,
        )?.groups,
    )
    .filter((found) => found?.['suite'] === codename)
    .map((found) => {
      const signed = /signed-by=(\S+)/.exec(found?.['options'] ?? '')?.[1]
      return [
        'Types: deb',
        `URIs: ${found?.['uri']}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${found?.['parts']}`,
        ...(signed === undefined ? [] : [`Signed-By: ${signed}`]),
      ].join('\n')
    })
  const [first] = [...stanzas, ...lines]
  if (first === undefined) throw new Error(`no source of ${codename} in the settings of apt`)
  return `${first.trim()}\n`
}
