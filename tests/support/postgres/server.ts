/** A PostgreSQL of the test's own: on a socket and a loopback port, ended and removed by whoever started it. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'

const run = promisify(execFile)

export const PASSWORD = 'a password: @/#?%'

/** Debian keeps each version in a place of its own. */
const PLACES = '/usr/lib/postgresql'

function binaries(): string | undefined {
  const versions = existsSync(PLACES) ? readdirSync(PLACES) : []
  return versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => `${PLACES}/${version}/bin`)
    .find((folder) => existsSync(`${folder}/postgres`))
}

/** It refuses to run as root. */
const isRoot = process.getuid?.() === 0
const account = (): { uid: number; gid: number } | undefined => {
  if (!isRoot) return undefined
  const [uid, gid] = ['-u', '-g'].map((of) =>
    Number(execFileSync('id', [of, 'postgres']).toString()),
  )
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

/** Why there is none here; undefined when there is. */
export function whyNoPostgres(): string | undefined {
  if (binaries() === undefined) return 'PostgreSQL is not installed (Debian: postgresql)'
  const hasAccount = !isRoot || /^postgres:/m.test(readFileSync('/etc/passwd', 'utf8'))
  return hasAccount ? undefined : 'root has no account `postgres` to run it under'
}

export interface TestPostgres {
  /** By the socket, without a password. */
  readonly any: string
  /** The same, in a schema that is there. */
  local(schema: string): string
  /** By loopback, with the password of `ocm` or the one that is given. */
  remote(password?: string): string
  readonly port: number
  readonly directory: string
  /** @returns the lines that psql prints, unaligned */
  sql(text: string): Promise<string>
  /** As when its machine loses its power: every process of it at once. */
  kill(): Promise<void>
  start(): Promise<void>
  /** It is there, and answers nothing. */
  freeze(): void
  thaw(): void
  /** Ends it and removes what it had. */
  stop(): Promise<void>
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false // No such process.
  }
}

/** @param settings such as `fsync=off` */
export async function startPostgres(...settings: readonly string[]): Promise<TestPostgres> {
  const bin = binaries()
  if (bin === undefined) throw new Error(whyNoPostgres())
  const as = account()
  const directory = await mkdtemp(join(tmpdir(), 'ocm-postgres-'))
  const data = join(directory, 'data')
  const port = await freePort()
  if (as) await chown(directory, as.uid, as.gid)
  await chmod(directory, 0o755)
  const passwords = join(directory, 'password')
  await writeFile(passwords, PASSWORD)
  await run(
    `${bin}/initdb`,
    `-D ${data} -U ocm --pwfile ${passwords} --no-locale -E UTF8 --auth-local trust --auth-host scram-sha-256 --no-sync`.split(
      ' ',
    ),
    { ...as, cwd: directory },
  )
  let server: ChildProcess | undefined

  const start = async () => {
    server = spawn(
      `${bin}/postgres`,
      ['listen_addresses=127.0.0.1', ...settings]
        .flatMap((setting) => ['-c', setting])
        .concat('-D', data, '-k', directory, '-p', String(port)),
      { ...as, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const said: string[] = []
    await new Promise<void>((resolve, reject) => {
      server?.stderr?.on('data', (text: Buffer) => {
        said.push(String(text))
        if (said.join('').includes('ready to accept connections')) resolve()
      })
      server?.once('exit', () => reject(new Error(said.join(''))))
    })
  }
  const processes = (): readonly number[] => {
    const pid = server?.pid
    if (pid === undefined) return []
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return [pid, ...(children === '' ? [] : children.split(' ').map(Number))]
  }
  const signal = (name: NodeJS.Signals) => {
    for (const pid of processes()) {
      try {
        process.kill(pid, name)
      } catch (error) {
        // One that has just ended by itself.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  const end = async (name: NodeJS.Signals) => {
    const ending = server
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const all = processes()
    const gone = once(ending, 'exit')
    if (name === 'SIGKILL') signal(name)
    else ending.kill(name)
    await gone
    // Its memory is held for as long as one of them is.
    const areGone = () => all.every((pid) => !isAlive(pid))
    await until(areGone, { timeoutMs: 10_000, everyMs: 5, what: 'PostgreSQL is gone' })
  }
  const sql = async (text: string) => {
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', directory, '-p', `${port}`]
    const { stdout } = await run(`${bin}/psql`, [...args, '-U', 'ocm', '-d', 'ocm', '-c', text])
    return stdout.trim()
  }
  await start()
  await run(`${bin}/createdb`, ['-h', directory, '-p', `${port}`, '-U', 'ocm', 'ocm'])
  const any = `postgres://ocm@/ocm?host=${directory}&port=${port}`
  return {
    port,
    directory,
    sql,
    start,
    any,
    local: (schema) => `${any}&options=${encodeURIComponent(`-c search_path=${schema}`)}`,
    remote: (password = PASSWORD) =>
      `postgres://ocm:${encodeURIComponent(password)}@127.0.0.1:${port}/ocm`,
    kill: () => end('SIGKILL'),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async stop() {
      signal('SIGCONT')
      // Fast: those who are connected are sent away.
      await end('SIGINT')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
