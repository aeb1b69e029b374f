/** What a step costs: wall time, processor time and memory of each process that took part. */
import { spawn } from 'node:child_process'
import { existsSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Cost {
  /** Of user and system together. */
  readonly cpuSeconds: number
  readonly systemSeconds: number
  readonly peakMB: number
}

export interface Taken {
  readonly seconds: number
  /** By name of the process. */
  readonly costs: Readonly<Record<string, Cost>>
  /** Of the seconds, what is not compared: named. */
  readonly beside?: Readonly<Record<string, number>>
}

/** GNU time: what a process that has ended used is told by nobody else. */
const TIME = '/usr/bin/time'

export interface Ran extends Taken {
  readonly cost: Cost
  readonly out: string
}

/**
 * Runs a command to its end.
 * @param log where its standard error goes, and its standard output unless it is wanted
 * @throws Error with the end of the log when it fails
 */
export async function run(
  name: string,
  command: readonly string[],
  options: {
    readonly log: string
    readonly env?: NodeJS.ProcessEnv
    readonly cwd?: string
    readonly keepOutput?: boolean
  },
): Promise<Ran> {
  const { log, env = process.env, cwd, keepOutput = false } = options
  const spent = `${log}.time`
  const timed = existsSync(TIME) ? [TIME, '-q', '-f', '%U %S %M', '-o', spent] : []
  const [program = '', ...args] = [...timed, ...command]
  const errors = openSync(log, 'w')
  const began = performance.now()
  const child = spawn(program, args, {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', keepOutput ? 'pipe' : errors, errors],
  })
  closeSync(errors)
  const parts: Buffer[] = []
  child.stdout?.on('data', (part: Buffer) => parts.push(part))
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve(status ?? -1))
  })
  const seconds = (performance.now() - began) / 1000
  const out = Buffer.concat(parts).toString()
  if (code !== 0) throw new Error(`${name}: status ${code}\n${tail(log)}\n${out.slice(-500)}`)
  const [user = 0, system = 0, kiB = 0] = existsSync(spent)
    ? readFileSync(spent, 'utf8').trim().split(' ').map(Number)
    : []
  rmSync(spent, { force: true })
  const cost = { cpuSeconds: user + system, systemSeconds: system, peakMB: kiB / 1024 }
  return { seconds, cost, costs: { [name]: cost }, out }
}

const tail = (log: string) => readFileSync(log, 'utf8').trim().slice(-1500)

const TICKS_PER_SECOND = 100

/** A process that goes on: what it has used, and its highest memory since it was last asked to forget it. */
export class Watched {
  readonly #pid: number
  #user = 0
  #system = 0

  constructor(pid: number) {
    this.#pid = pid
  }

  begin(): void {
    ;[this.#user, this.#system] = this.#spent()
    // Forgets the highest memory so far.
    writeFileSync(join('/proc', String(this.#pid), 'clear_refs'), '5')
  }

  end(): Cost {
    const status = this.#read('status')
    const kiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
    const [user, system] = this.#spent()
    const systemSeconds = system - this.#system
    return { cpuSeconds: user - this.#user + systemSeconds, systemSeconds, peakMB: kiB / 1024 }
  }

  /** User and system time of all its threads, without its children. */
  #spent(): readonly [user: number, system: number] {
    const stat = this.#read('stat')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [user = 0, system = 0] = fields.slice(11, 13).map((n) => Number(n) / TICKS_PER_SECOND)
    return [user, system]
  }

  #read(name: string): string {
    return readFileSync(join('/proc', String(this.#pid), name), 'utf8')
  }
}

export const load = (): string => readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '?'
