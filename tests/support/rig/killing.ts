/**
 * Kills an agent at chosen system calls of its work, starts it again, and looks at what is left. strace counts the
 * calls of a run that is not disturbed, and delivers SIGKILL on entry to the n-th of one kind in the runs after it.
 */
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { toCbor } from '@ocm/protocol'
import type { Scene } from './cut-short.ts'
import { type Manager, startManager } from './manager.ts'
import { orderToSource } from './operator.ts'
import { type Snapshot, snapshotOf } from './snapshots.ts'
import { freePort } from '../free-port.ts'
import { type Place, digestOf, layDown, treeOf } from './trees.ts'
import { A, B, keys } from './vault.ts'

const JOB = '0c'.repeat(16)

/** What changes something on a disk. Reads are not worth a kill: the state is that of the change before. */
const CHANGES =
  'creat,openat,write,pwrite64,writev,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,' +
  'mkdir,mkdirat,rmdir,fsync,fdatasync,ftruncate,chmod,fchmod,fchmodat,utimensat'

/** A clone and a move on their target, a fence on the source of a move, and a move that is taken back on its target. */
export const WORKS = ['clone', 'move', 'fence', 'undo'] as const
export type Work = (typeof WORKS)[number]

export interface Point {
  readonly work: Work
  readonly call: string
  /** The n-th of its kind in its thread. */
  readonly n: number
}

export interface Verdict extends Point {
  /** Whether the process was killed there: a run may take another course. */
  readonly hit: boolean
  /** Whether it was killed a second time, while it recovered. */
  readonly hitAgain: boolean
  /** Which tree was found when the agent had started again. */
  readonly left: 'old' | 'new' | 'mixed'
  /** What is wrong; '' when all is well. */
  readonly wrong: string
}

export const hasStrace = (): Promise<boolean> =>
  new Promise((resolve) => {
    execFile('strace', ['-V'], (error) => resolve(error === null))
  })

interface Laid extends Scene {
  readonly old: readonly string[]
  /** What an undisturbed run makes of it. */
  readonly done: readonly string[]
}

/** One node for each piece of work, laid down anew for each run at the same place. */
export class Killing {
  readonly #folder: string
  readonly #bundle: string
  #manager: Manager | undefined
  readonly #scenes = new Map<Work, Laid>()

  /** @param folder an empty directory of its own. */
  constructor(folder: string) {
    this.#folder = folder
    this.#bundle = path.join(folder, 'bundle')
  }

  async prepare(): Promise<void> {
    const input = fileURLToPath(new URL('./cut-short.ts', import.meta.url))
    const rolldown = fileURLToPath(new URL('../../../node_modules/.bin/rolldown', import.meta.url))
    const args = [input, '--dir', this.#bundle, '--format', 'esm', '--platform', 'node']
    await run(rolldown, args, {})
    this.#manager = await startManager()
    for (const work of WORKS) await this.#lay(work)
  }

  async close(): Promise<void> {
    await this.#manager?.close()
  }

  async #lay(work: Work): Promise<void> {
    const own = path.join(this.#folder, work)
    mkdirSync(own)
    const place: Place = {
      home: path.join(own, 'home'),
      agent: path.join(own, 'agent'),
      port: await freePort(),
      manager: (this.#manager as Manager).url,
    }
    const from = work === 'fence' ? place : { home: '/src/home', port: 1111 }
    const tree = treeOf(from, 'new')
    const of = { node: A, key: keys.a }
    const base = snapshotOf(from, tree, of)
    const final = snapshotOf(from, { ...tree, 'workspace:main:late.md': 'late' }, { ...of, base })
    const scene = {
      place,
      job: JOB,
      base: path.join(own, 'base.cbor'),
      final: path.join(own, 'final.cbor'),
    }
    for (const [file, snapshot] of [
      [scene.base, base],
      [scene.final, final],
    ] as const) {
      writeFileSync(file, toCbor(storable(snapshot)))
    }
    layDown(place, work === 'fence' ? tree : treeOf(place, 'old', { 'state:cache/page': 'anew' }))
    writeFileSync(path.join(own, 'scene.json'), JSON.stringify(scene))
    writeFileSync(path.join(own, 'order'), orderToSource(fenceWish(base)))
    if (work === 'undo') await this.#applyFirst(own, place)
    cpSync(place.home, path.join(own, 'template'), { ...COPY })
    const all = digestOf(place.home)
    const old = work === 'undo' ? bare(all) : all
    this.#scenes.set(work, { ...scene, old, done: [] })
    await this.#reset(work)
    const said = await this.#node([work, own])
    this.#scenes.set(work, { ...scene, old, done: bare(digestOf(place.home)) })
    if (said.status !== 0) throw new Error(`the undisturbed ${work} failed: ${said.stderr}`)
  }

  /** What is to be taken back; what its agent knows of it is part of the scene. */
  async #applyFirst(own: string, place: Place): Promise<void> {
    await (this.#manager as Manager).start(place.home, place.port)
    const said = await this.#node(['undo', own, 'prepare'])
    if (said.status !== 0) throw new Error(`nothing to take back: ${said.stderr}`)
    cpSync(place.agent, path.join(own, 'agent-template'), { ...COPY })
  }

  async #reset(work: Work): Promise<void> {
    const own = path.join(this.#folder, work)
    const { place } = this.#scenes.get(work) as Scene
    const manager = this.#manager as Manager
    await manager.reset(place.home)
    rmSync(place.home, { recursive: true, force: true })
    rmSync(place.agent, { recursive: true, force: true })
    rmSync(path.join(own, 'fenced'), { force: true })
    rmSync(path.join(own, 'undo'), { force: true })
    cpSync(path.join(own, 'template'), place.home, { ...COPY })
    if (work === 'undo') cpSync(path.join(own, 'agent-template'), place.agent, { ...COPY })
    await manager.start(place.home, place.port)
  }

  /** Every call that changes the node, in the order in which an undisturbed run makes them. */
  async points(work: Work): Promise<readonly Point[]> {
    await this.#reset(work)
    const own = path.join(this.#folder, work)
    const log = path.join(own, 'strace.log')
    await this.#node([work, own], ['-f', '-qq', '-y', '-e', `trace=${CHANGES}`, '-o', log])
    const counts = new Map<string, number>()
    const points: Point[] = []
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? []
      if (thread === undefined || call === undefined) continue
      const n = (counts.get(`${thread} ${call}`) ?? 0) + 1
      counts.set(`${thread} ${call}`, n)
      const isChange = call !== 'openat' || /O_(?:CREAT|WRONLY|RDWR)/.test(line)
      if (isChange && (line.includes(own) || line.includes('/proc/self/fd/'))) {
        points.push({ work, call, n })
      }
    }
    rmSync(log)
    return points
  }

  /** @param again a point to be killed at a second time, while the agent recovers. */
  async kill(point: Point, again?: Point): Promise<Verdict> {
    const { work, call, n } = point
    await this.#reset(work)
    const own = path.join(this.#folder, work)
    const laid = this.#scenes.get(work) as Laid
    const { old, done } = laid
    const killed = await this.#node([work, own], inject(call, n))
    const recover = [work, own, 'recover']
    const killedAgain = again && (await this.#node(recover, inject(again.call, again.n)))
    const said = await this.#node(recover)
    const base = { ...point, hit: wasKilled(killed), hitAgain: wasKilled(killedAgain) }
    if (said.status !== 0) return { ...base, left: 'mixed', wrong: `no start: ${said.stderr}` }
    const { settled, outcome, digest } = JSON.parse(said.stdout) as {
      settled: readonly string[]
      outcome: string
      digest: readonly string[]
    }
    const left = same(bare(settled), old) ? 'old' : same(bare(settled), done) ? 'new' : 'mixed'
    const wrong = [
      left === 'mixed' ? `mixed: ${difference(bare(settled), old)}` : '',
      this.#judge(work, outcome, digest, laid),
    ]
    return { ...base, left, wrong: wrong.filter((text) => text !== '').join('; ') }
  }

  /** After the agent was asked again: the tree fits what it says, the gateway runs on it, nothing lies about. */
  #judge(
    work: Work,
    outcome: string,
    digest: readonly string[],
    { old, done, place }: Laid,
  ): string {
    const { running, masked } = (this.#manager as Manager).stateOf(place.home)
    const isNew = outcome === 'spoke' || outcome === 'fenced' || outcome === 'undone'
    if (!same(bare(digest), isNew ? done : old)) return `${outcome}, but the tree is another`
    const shouldRun = work !== 'fence' || !isNew
    if (running !== shouldRun || masked === shouldRun) {
      return `${outcome}, but running ${running}, masked ${masked}`
    }
    const kept = digest.filter((line) => line.includes('.ocm-'))
    // What was taken back is kept like what an apply replaced; and until then that is.
    const isKept = work === 'undo' && isNew ? /\.ocm-stage/ : /\.ocm-(?:before|fenced)/
    if (kept.some((line) => !isKept.test(line))) return `left lying: ${kept.join(', ')}`
    return isNew || work === 'undo' || kept.length === 0
      ? ''
      : `${outcome}, but there is ${kept[0]}`
  }

  #node(args: readonly string[], strace?: readonly string[]): Promise<Ran> {
    const node = [process.execPath, path.join(this.#bundle, 'cut-short.js'), ...args]
    const [file = '', ...rest] = strace ? ['strace', ...strace, ...node] : node
    // strace counts calls by thread, so there is to be one for files.
    return start(file, rest, { ...process.env, UV_THREADPOOL_SIZE: '1' })
  }
}

const COPY = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true } as const

const wasKilled = (ran: Ran | undefined) => ran?.signal === 'SIGKILL' || ran?.status === 137

const inject = (call: string, n: number) => [
  '-f',
  '-qq',
  '-e',
  `trace=${call}`,
  '-e',
  `inject=${call}:signal=SIGKILL:when=${n}`,
  '-o',
  '/dev/null',
]

/** Without what is kept beside the live trees. */
const bare = (digest: readonly string[]) => digest.filter((line) => !line.includes('.ocm-'))

const same = (a: readonly string[], b: readonly string[]) => a.join('\n') === b.join('\n')

const difference = (a: readonly string[], b: readonly string[]) =>
  [...a.filter((line) => !b.includes(line)), ...b.filter((line) => !a.includes(line))]
    .slice(0, 4)
    .join(', ')

const fenceWish = (snapshot: Snapshot) =>
  ({
    job: JOB,
    kind: 'move',
    source: A,
    target: { id: B, key: keys.b },
    snapshot,
    fenceEpoch: 1,
  }) as const

/** Contents are found through the manifest; what later snapshots refer to is not needed. */
const storable = (snapshot: Snapshot) => ({ ...snapshot, packs: [...snapshot.packs], refs: null })

interface Ran {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

const start = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) =>
  new Promise<Ran>((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (part: Buffer) => (stdout += part))
    child.stderr.on('data', (part: Buffer) => (stderr += part))
    child.once('error', reject)
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })

async function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const ran = await start(file, args, { ...process.env, ...env })
  if (ran.status !== 0) throw new Error(`${file}: ${ran.stderr}`)
}
