/** Where a word that was lent may never be: files, arguments and environments of processes, memory. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'

export const wordsIn = (bytes: Buffer | string, words: readonly string[]): readonly string[] =>
  words.filter((word) => bytes.includes(word))

export function wordsInFiles(folder: string, words: readonly string[]): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => wordsIn(readFileSync(join(entry.parentPath, entry.name)), words))
}

const LOOK_MS = 5

/**
 * Looks at arguments and environments of all other processes again and again until it is stopped. Not at the first
 * process: it is nobody's child here, and sandboxes do not show its environment.
 */
export function watchProcesses(words: readonly string[]): {
  stop(): { readonly rounds: number; readonly found: readonly string[] }
} {
  const found = new Set<string>()
  let rounds = 0
  const look = () => {
    rounds++
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || ['1', String(process.pid)].includes(pid)) continue
      for (const name of ['cmdline', 'environ']) {
        for (const word of wordsIn(readIfThere(`/proc/${pid}/${name}`), words)) {
          found.add(`${word} in ${name}`)
        }
      }
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      look()
      return { rounds, found: [...found] }
    },
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? ''

/** It may have ended since it was listed. */
function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes(codeOf(error))) throw error
    return Buffer.alloc(0)
  }
}

const PIECE = 16 * 1024 * 1024

/** Everything that a process can write to: its heaps, stacks and buffers. @throws Error when it cannot be read */
export function wordsInMemory(pid: number, words: readonly string[]): readonly string[] {
  const longest = Math.max(...words.map((word) => word.length))
  const found = new Set<string>()
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from = '', to = '', rights = ''] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
      if (!rights.startsWith('rw') || /\[vv/.test(line)) continue
      const end = Number.parseInt(to, 16)
      for (let at = Number.parseInt(from, 16); at < end; at += PIECE - longest) {
        const piece = Buffer.alloc(Math.min(PIECE, end - at))
        readMemory(memory, piece, at)
        for (const word of wordsIn(piece, words)) found.add(word)
      }
    }
  } finally {
    closeSync(memory)
  }
  return [...found]
}

const GCORE = '/usr/bin/gcore'

/** What debuggers and crash reporters write of a process, where there is a gdb; undefined where there is none. */
export function wordsInCore(
  pid: number,
  folder: string,
  words: readonly string[],
): readonly string[] | undefined {
  if (!existsSync(GCORE)) return undefined
  const began = join(folder, 'core')
  execFileSync(GCORE, ['-o', began, String(pid)], { stdio: 'ignore' })
  const core = `${began}.${pid}`
  const longest = Math.max(...words.map((word) => word.length))
  const found = new Set<string>()
  const file = openSync(core, 'r')
  try {
    const piece = Buffer.alloc(PIECE)
    const nothing = Buffer.alloc(PIECE)
    for (let at = 0; ; at += PIECE - longest) {
      const length = readSync(file, piece, 0, PIECE, at)
      // Most of it is memory that was reserved and never used.
      const isUsed = !piece.equals(nothing)
      for (const word of isUsed ? wordsIn(piece.subarray(0, length), words) : []) found.add(word)
      if (length < PIECE) return [...found]
    }
  } finally {
    closeSync(file)
    rmSync(core)
  }
}

const PAGE = 4096

/** Fills `into`; a page that is mapped and not there stays as it is. @throws Error when the process has ended */
function readMemory(file: number, into: Buffer, at: number): void {
  for (let done = 0; done < into.length;) {
    try {
      const length = readSync(file, into, done, into.length - done, at + done)
      if (length === 0) throw new Error('its memory cannot be read: it has ended')
      done += length
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw error
      done += PAGE - ((at + done) % PAGE)
    }
  }
}
