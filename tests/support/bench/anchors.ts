/** What people use today: restic (local, and through its REST server), borg, tar with zstd, OpenClaw's own command. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { OPENCLAW, openclawEnv } from '../openclaw.ts'
import { until } from '../until.ts'
import type { Contender } from './contender.ts'
import { type Ran, Watched, run } from './measured.ts'
import type { Tool } from './newer-tools.ts'

/** In bytes, as files say; 0 when there is nothing yet. */
export function bytesIn(folder: string): number {
  const out = execFileSync('du', ['-sb', folder], { encoding: 'utf8' })
  return Number(out.split('\t')[0])
}

interface Ground {
  /** Where it may write, for itself alone. */
  readonly folder: string
  readonly home: string
}

const ONE_FILE = '.openclaw/openclaw.json'

const empty = (folder: string) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
}

export function restic(tool: Tool, { folder, home }: Ground, restServer?: string): Contender {
  const name = restServer === undefined ? 'restic' : 'rest'
  const store = join(folder, 'store')
  const target = join(folder, 'restored')
  const source = join(home, '.openclaw')
  const env = {
    ...process.env,
    ...tool.env,
    RESTIC_PASSWORD: 'pw',
    RESTIC_CACHE_DIR: join(folder, 'cache'),
  }
  mkdirSync(folder, { recursive: true })
  let server: { process: ChildProcess; url: string; watched: Watched } | undefined
  const stop = async () => {
    if (!server) return
    server.process.kill()
    await once(server.process, 'exit')
    server = undefined
  }
  const does = async (...args: readonly string[]): Promise<Ran> => {
    server?.watched.begin()
    const log = join(folder, `${args[0]}.log`)
    const command = [...tool.command, '-q', '-r', server?.url ?? store, ...args]
    const ran = await run(name, command, { log, env })
    if (!server) return ran
    return { ...ran, costs: { ...ran.costs, server: server.watched.end() } }
  }
  return {
    name,
    version: `${tool.version}${restServer === undefined ? ', local' : ', through its REST server'}`,
    stored: () => bytesIn(store),
    restored: join(target, source),
    stop,
    opening: () => does('cat', 'config'),
    steps: {
      async first() {
        await stop()
        empty(store)
        rmSync(join(folder, 'cache'), { recursive: true, force: true })
        if (restServer !== undefined) server = await serve(restServer, store)
        await does('init')
        return does('backup', source)
      },
      unchanged: () => does('backup', source),
      changed: () => does('backup', source),
      restore() {
        rmSync(target, { recursive: true, force: true })
        return does('restore', 'latest', '--target', target)
      },
      oneFile: () => does('dump', 'latest', join(home, ONE_FILE)),
      verify: () => does('check', '--read-data'),
    },
  }
}

async function serve(program: string, store: string) {
  const port = await freePort()
  const args = ['--path', store, '--listen', `127.0.0.1:${port}`, '--no-auth']
  const child = spawn(program, args, { stdio: 'ignore' })
  await until(() => answers(port), { timeoutMs: 10_000, what: 'the REST server listens' })
  return {
    process: child,
    url: `rest:http://127.0.0.1:${port}/`,
    watched: new Watched(child.pid ?? 0),
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

export function borg(tool: Tool, { folder, home }: Ground): Contender {
  const store = join(folder, 'store')
  const target = join(folder, 'restored')
  const source = join(home, '.openclaw')
  const env = {
    ...process.env,
    ...tool.env,
    BORG_PASSPHRASE: 'pw',
    BORG_BASE_DIR: join(folder, 'base'),
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  }
  mkdirSync(folder, { recursive: true })
  let archives = 0
  const does = (cwd: string, ...args: readonly string[]): Promise<Ran> =>
    run('borg', [...tool.command, ...args], { log: join(folder, `${args[0]}.log`), env, cwd })
  const create = () => does(folder, 'create', '-C', 'zstd,3', `${store}::a${++archives}`, source)
  return {
    name: 'borg',
    version: tool.version,
    stored: () => bytesIn(store),
    restored: join(target, source),
    stop: () => Promise.resolve(),
    opening: () => does(folder, 'list', '--short', '--last', '1', store),
    steps: {
      async first() {
        for (const path of [store, join(folder, 'base')])
          rmSync(path, { recursive: true, force: true })
        await does(folder, 'init', '-e', 'repokey-blake2', store)
        return create()
      },
      unchanged: create,
      changed: create,
      restore() {
        empty(target)
        return does(target, 'extract', `${store}::a${archives}`)
      },
      oneFile: () =>
        does(
          folder,
          'extract',
          '--stdout',
          `${store}::a${archives}`,
          join(home, ONE_FILE).slice(1),
        ),
      verify: () => does(folder, 'check', '--verify-data', store),
    },
  }
}

/** For orientation: neither sealed nor incremental. */
export function tar({ folder, home }: Ground): Contender {
  const archive = join(folder, 'a.tar.zst')
  const target = join(folder, 'restored')
  mkdirSync(folder, { recursive: true })
  const does = (script: string) =>
    run('tar', ['sh', '-c', script, 'sh', home, archive, target], { log: join(folder, 'tar.log') })
  return {
    name: 'tar',
    version: 'tar | zstd -3 -T0',
    stored: () => bytesIn(archive),
    restored: join(target, '.openclaw'),
    stop: () => Promise.resolve(),
    steps: {
      first: () => does('tar -C "$1" -cf - .openclaw | zstd -3 -T0 -q -f -o "$2"'),
      restore() {
        empty(target)
        return does('zstd -dc "$2" | tar -C "$3" -xf -')
      },
    },
  }
}

export function openclawItself({ folder, home }: Ground): Contender {
  mkdirSync(folder, { recursive: true })
  const store = join(folder, 'store')
  const does = (...args: readonly string[]) =>
    run('openclaw', [process.execPath, OPENCLAW, 'backup', ...args], {
      log: join(folder, 'openclaw.log'),
      env: openclawEnv(home),
      cwd: home,
    })
  return {
    name: 'openclaw',
    version: 'openclaw backup create --verify',
    stored: () => globSync(join(store, '*')).reduce((sum, file) => sum + bytesIn(file), 0),
    stop: () => Promise.resolve(),
    opening: () =>
      run('openclaw', [process.execPath, OPENCLAW, '--version'], {
        log: join(folder, 'openclaw.log'),
        env: openclawEnv(home),
      }),
    steps: {
      first() {
        empty(store)
        return does('create', '--verify', '--output', store, '--json')
      },
    },
  }
}
