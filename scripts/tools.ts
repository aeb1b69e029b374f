/**
 * What the tests of whole systems need beside Node. On Debian as root what is missing is installed; elsewhere it is
 * named, and the tests that need it count as skipped.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, globSync } from 'node:fs'
import { delimiter } from 'node:path'

const tools = [
  { program: 'chromium', debian: 'chromium' },
  { program: 'sshd', debian: 'openssh-server' },
  { program: 'ssh', debian: 'openssh-client' },
  { program: 'strace', debian: 'strace' },
  { program: 'sudo', debian: 'sudo' },
  // What writes down the memory of a process, to look for what should not be in it.
  { program: 'gcore', debian: 'gdb' },
  { program: 'postgres', debian: 'postgresql' },
  // A real S3 server: no others are in Debian, and none of npm's looks at signatures.
  { program: 'radosgw', debian: 'radosgw' },
  { program: 'ceph-mon', debian: 'ceph-mon' },
  { program: 'ceph-osd', debian: 'ceph-osd' },
  { program: 'ceph', debian: 'ceph-common' },
] as const

/** The second reader's: Debian's own interpreter, because its packages are for no other. */
const PYTHON = '/usr/bin/python3'
const modules = [
  { module: 'cryptography', debian: 'python3-cryptography' },
  { module: 'argon2', debian: 'python3-argon2' },
  { module: 'zstandard', debian: 'python3-zstandard' },
] as const

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/** Debian keeps each version of PostgreSQL in a place of its own, which is in nobody's PATH. */
const postgres = () => globSync('/usr/lib/postgresql/*/bin')

function present(program: string): boolean {
  return [...folders, ...postgres()].some((folder) => {
    try {
      accessSync(`${folder}/${program}`, constants.X_OK)
      return true
    } catch {
      return false // Not in this folder: the next one may have it.
    }
  })
}

function apt(...args: readonly string[]): boolean {
  const { status } = spawnSync('apt-get', ['-q', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // The packaged sshd is for the tests to start, not for the machine to serve.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
  return status === 0
}

const imports = (module: string) => spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0

/** What is not here: the name it goes by, and Debian's. */
const findMissing = () => [
  ...tools.filter(({ program }) => !present(program)),
  ...(existsSync(PYTHON) ? [] : [{ program: PYTHON, debian: 'python3' }]),
  ...modules
    .filter(({ module }) => !imports(module))
    .map(({ module, debian }) => ({ program: `Python's ${module}`, debian })),
]

let missing = findMissing()
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  const names = missing.map(({ debian }) => debian)
  console.log(`Installing what the tests stand on: ${names.join(' ')}`)
  if (apt('update')) apt('install', '-y', '--no-install-recommends', ...names)
  missing = findMissing()
}
if (missing.length > 0) {
  const names = missing.map(({ program, debian }) => `${program} (Debian: ${debian})`)
  console.log(`Missing, so tests that need it are skipped: ${names.join(', ')}`)
}
