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
import type { Account } from './sshd.ts'

export const wordsIn = (bytes: Buffer | string, words: readonly string[]): readonly string[] =>
  words.filter((word) => bytes.includes(word))

export const wordsInThese = (files: readonly (string | Buffer)[], words: readonly string[]) =>
  files.flatMap((file) => wordsIn(readIfThere(file), words))

export const wordsInFiles = (folder: string, words: readonly string[]): readonly string[] =>
  wordsInThese(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
    words,
  )

/** Where accounts come to write, beside their homes. */
const PLACES = ['/dev/shm', '/run', '/var/lock', '/var/mail', '/var/spool']
/** Where much is others', in directories that nobody else can write to: those are not gone through. */
const OFFERED = ['/tmp', '/var/tmp']

/** Every file of these accounts: in their homes, and in all places where anybody may make one. */
export function filesOf(accounts: readonly Account[]): readonly Buffer[] {
  const whose = [
    '(',
    ...accounts.flatMap(({ uid }, i) => [...(i ? ['-o'] : []), '-user', `${uid}`]),
    ')',
  ]
  const theirs = ['-type', 'f', ...whose, '-print0']
  const closed = [
    '-mindepth',
    '1',
    '-type',
    'd',
    '!',
    '-perm',
    '-0002',
    '!',
    ...whose,
    '-prune',
    '-o',
  ]
  const found = [
    ...find([...accounts.map(({ home }) => home), ...PLACES.filter(existsSync)], theirs),
    ...find(OFFERED.filter(existsSync), [...closed, ...theirs]),
  ]
  // As bytes: not every name on a disk is UTF-8.
  return [...new Set(found)].map((path) => Buffer.from(path, 'latin1'))
}

/** Others come and go there: what is gone when it is looked at is no error of ours. */
const find = (places: readonly string[], how: readonly string[]): readonly string[] =>
  execFileSync('sh', ['-c', 'find "$@" 2>/dev/null; exit 0', 'sh', ...places, ...how], {
    encoding: 'latin1',
    maxBuffer: 64 * 1024 * 1024,
  })
    .split('\0')
    .filter((path) => path !== '')

const LOOK_MS = 5
/** So many times one after the other a process is looked at that is new, because it may become another program. */
const NEW_LOOKS = 10
const OLD_LOOKS = 40

/**
 * Looks at arguments and environments of all other processes again and again until it is stopped: of new ones each time,
 * of those that stay now and then. Not at the first process: it is nobody's child here, and sandboxes do not show its
 * environment.
 * @param words may become more meanwhile
 */
export function watchProcesses(words: readonly string[]): {
  stop(): { readonly rounds: number; readonly found: readonly string[] }
} {
  const found = new Set<string>()
  let rounds = 0
  let seen = new Map<string, number>()
  const look = (every = false) => {
    rounds++
    const there = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))
    seen = new Map(there.map((pid) => [pid, (seen.get(pid) ?? 0) + 1]))
    for (const [pid, looks] of seen) {
      if (['1', String(process.pid)].includes(pid)) continue
      if (!every && looks > NEW_LOOKS && looks % OLD_LOOKS > 0) continue
      for (const name of ['cmdline', 'environ']) {
        for (const word of wordsIn(readIfThere(`/proc/${pid}/${name}`), words)) {
          found.add(`${word} in ${name}`)
        }
      }
    }
  }
  const timer = setInterval(() => look(), LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      look(true)
      return { rounds, found: [...found] }
    },
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? ''

/** It may have ended since it was listed, or belong to a sandbox of somebody else, which is closed to root too. */
function readIfThere(path: string | Buffer): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (!['ENOENT', 'ESRCH', 'EACCES'].includes(codeOf(error))) throw error
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
