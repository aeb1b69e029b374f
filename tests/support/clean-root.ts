/**
 * A Debian with nothing on it but what makes it one, as debootstrap makes it from the mirror that this machine's own apt
 * is configured with. Programs run in it by chroot, each in process and mount namespaces that end with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Ran {
  readonly code: number
  readonly out: string
}

export interface As {
  readonly user?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

export interface CleanRoot {
  readonly path: string
  /** Both streams in one text. */
  run(command: readonly string[], as?: As): Ran
  start(command: readonly string[], as?: As): ChildProcess
  /** Every file, link and socket, sorted; not what is mounted, nor what apt and dpkg keep for themselves. */
  files(): readonly string[]
  remove(): void
}

export const canMakeRoots = (): boolean =>
  process.getuid?.() === 0 &&
  existsSync('/etc/debian_version') &&
  ['debootstrap', 'unshare', 'chroot'].every((name) => spawnSync('which', [name]).status === 0)

function said(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout
}

const kept = (suite: string) => join(tmpdir(), 'ocm-roots', suite)

/** Made once and kept, because making one takes a minute. */
function prototype(): string {
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
  const path = kept(suite)
  if (existsSync(path)) return path
  const format = '$(CODENAME) $(SITE)'
  const [, mirror] =
    said('apt-get', 'indextargets', '--format', format, 'Created-By: Packages')
      .split('\n')
      .map((line) => line.split(' '))
      .find(([codename]) => codename === suite) ?? []
  if (mirror === undefined) throw new Error(`apt knows no mirror of ${suite}`)
  rmSync(`${path}.part`, { recursive: true, force: true })
  mkdirSync(`${path}.part`, { recursive: true })
  said('debootstrap', '--variant=minbase', suite, `${path}.part`, mirror)
  renameSync(`${path}.part`, path)
  return path
}

/** @param mounted directories of this machine that are there too, at their own paths, for reading. */
export function cleanRoot(path: string, mounted: readonly string[] = []): CleanRoot {
  const from = prototype()
  rmSync(path, { recursive: true, force: true })
  mkdirSync(join(path, '..'), { recursive: true })
  said('cp', '-a', '--reflink=auto', from, path)
  for (const place of mounted) mkdirSync(join(path, place), { recursive: true })

  const inside = [
    'mount -t proc proc "$0/proc"',
    'mount --rbind /dev "$0/dev"',
    ...mounted.map((place) => `mount --bind -o ro '${place}' "$0${place}"`),
    'user=$1; shift; exec chroot --userspec="$user" "$0" "$@"',
  ].join(' && ')
  const isolated = ['-m', '-p', '-f', '--propagation', 'private']
  const words = (command: readonly string[], { user = 'root' }: As) => {
    const group = user === 'root' ? 'root' : groupOf(path, user)
    return [...isolated, 'sh', '-c', inside, path, `${user}:${group}`, ...command]
  }
  const envOf = ({ user = 'root', env }: As) => ({
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: homeOf(path, user),
    LANG: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    ...env,
  })
  return {
    path,
    run(command, as = {}) {
      const options = { env: envOf(as), input: as.input ?? '', encoding: 'utf8' } as const
      const { status, stdout, stderr } = spawnSync('unshare', words(command, as), options)
      return { code: status ?? -1, out: `${stdout}${stderr}` }
    },
    start: (command, as = {}) =>
      spawn('unshare', words(command, as), { env: envOf(as), stdio: ['ignore', 'pipe', 'pipe'] }),
    files: () => filesBelow(path, '', mounted),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

const passwd = (root: string, user: string): readonly string[] =>
  new RegExp(`^${user}:.*$`, 'm')
    .exec(readFileSync(join(root, 'etc/passwd'), 'utf8'))?.[0]
    ?.split(':') ?? []

const homeOf = (root: string, user: string) => passwd(root, user)[5] ?? '/'
const groupOf = (root: string, user: string) => passwd(root, user)[3] ?? '0'

const NOT_OURS = [
  '/proc',
  '/dev',
  '/sys',
  '/run',
  '/var/lib/dpkg',
  '/var/lib/apt',
  '/var/cache',
  '/var/log',
]

function filesBelow(root: string, folder: string, mounted: readonly string[]): string[] {
  if (NOT_OURS.includes(folder) || mounted.includes(folder)) return []
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      return entry.isDirectory() ? filesBelow(root, path, mounted) : [path]
    })
    .toSorted()
}

/** A file or directory of this machine as it is, at the same path or another one. */
export function putInto(root: CleanRoot, from: string, to = from): void {
  mkdirSync(join(root.path, to, '..'), { recursive: true })
  said('cp', '-a', from, join(root.path, to))
}

/**
 * Ends what `start` began, as a service manager would. It is the child of the process that is known; that one waits
 * for it, and would not pass a signal on past the change of the account.
 */
export function terminate(started: ChildProcess): void {
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8')
  for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGTERM')
}
