/**
 * What must not outlive this process: programs that it started, and credentials that they wrote in clear to where nobody
 * asked for them. A signal ends us where we stand, past every `finally`, so it is known here beforehand.
 */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** What a shell answers for a process that one of these ended: 128 and its number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
type Signal = keyof typeof SIGNALS

const programs = new Set<ChildProcess>()
const places = new Set<string>()
const farewells = new Set<() => Promise<unknown>>()
const FAREWELL_MS = 3000
let isEnding = false

/** Whether a signal is ending us: what fails from now on fails because of it. */
export const areWeEnding = (): boolean => isEnding

/** Ends it with us, for as long as it runs. */
export function endsWithUs(program: ChildProcess): void {
  programs.add(program)
  heedSignals()
  for (const over of ['exit', 'error']) program.once(over, () => programs.delete(program))
}

/**
 * Lets `work` write at `place`, absolute, of which nothing is there when this ends, however it ends: what is to stay is
 * renamed to where it belongs.
 */
export async function passing<T>(place: string, work: () => Promise<T>): Promise<T> {
  places.add(place)
  heedSignals()
  try {
    return await work()
  } finally {
    // A signal that is ending us removes it when those that write there have ended.
    if (!isEnding) {
      removeTree(Buffer.from(place))
      places.delete(place)
    }
  }
}

/** Does `work`; a signal that ends us meanwhile has `farewell` done first, which is given FAREWELL_MS for it. */
export async function partingWith<T>(
  farewell: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  farewells.add(farewell)
  try {
    return await work()
  } finally {
    farewells.delete(farewell)
  }
}

let isHeeding = false

/** From the first on: one that comes while we are busy is heard when there may be nothing left to remove. */
function heedSignals(): void {
  if (isHeeding) return
  isHeeding = true
  for (const signal of Object.keys(SIGNALS) as Signal[]) process.on(signal, endBy)
}

function endBy(signal: Signal): void {
  // Whoever presses twice waits for the same.
  if (isEnding) return
  isEnding = true
  endAll(signal).catch((error: unknown) => {
    process.stderr.write(`ocm: ${[...places].join(', ')} may be left: ${String(error)}\n`)
    process.exit(SIGNALS[signal])
  })
}

async function endAll(signal: Signal): Promise<void> {
  await Promise.all([...programs].map(ended))
  for (const place of places) removeTree(Buffer.from(place))
  const said = Promise.all([...farewells].map((farewell) => farewell()))
  await Promise.race([said, pause(FAREWELL_MS)]).catch((error: unknown) => {
    process.stderr.write(`ocm: the hub was not told: ${String(error)}\n`)
  })
  process.exit(SIGNALS[signal])
}

const ended = (program: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (program.exitCode !== null || program.signalCode !== null) return resolve()
    program.once('exit', () => resolve())
    program.kill('SIGKILL')
  })

/** A directory that its owner may not write in would keep what is in it. */
function removeTree(path: Buffer): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) {
    if (stat) unlinkSync(path)
    return
  }
  if ((stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700)
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    removeTree(Buffer.concat([path, Buffer.from('/'), name]))
  }
  rmdirSync(path)
}
