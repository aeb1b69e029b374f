/** About one percent of a data set changes in place, as a day of use changes it. */
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { goOn } from './databases.ts'
import { SEED } from './dataset.ts'
import { Random } from './random.ts'
import { Conversation, EPOCH, log, notes, prose } from './texts.ts'

interface Found {
  readonly path: string
  readonly size: number
}

export interface Changed {
  readonly bytes: number
  /** Of all bytes there were. */
  readonly percent: number
}

/** @param round another for each change; the same round changes the same tree in the same way */
export function changeOnePercent(home: string, round: number): Changed {
  const root = join(home, '.openclaw')
  const files = filesIn(root)
  const random = new Random(SEED, `change ${round}`)
  const day: Day = {
    root,
    files,
    random,
    round,
    touched: (path) => touch(root, path, round, random),
  }
  const bytes =
    talk(day) + databases(day) + edit(day) + create(day) + remove(day) + receive(day) + write(day)
  const all = files.reduce((sum, { size }) => sum + size, 0)
  return { bytes: Math.round(bytes), percent: (100 * bytes) / all }
}

interface Day {
  readonly root: string
  readonly files: readonly Found[]
  readonly random: Random
  readonly round: number
  touched(path: string): void
}

const ONE_PERCENT = 0.01

function touch(root: string, path: string, round: number, random: Random): void {
  const at = EPOCH + 2e7 + round * 1e5 + random.below(1e5)
  utimesSync(join(root, path), at, at)
}

const bytesOf = (files: readonly Found[], kind: RegExp) =>
  files.filter(({ path }) => kind.test(path)).reduce((sum, { size }) => sum + size, 0)

const some = ({ files, random }: Day, kind: RegExp, share: number) =>
  files.filter(({ path }) => kind.test(path) && random.share() < share)

const JSONL = /sessions\/[^/]*\.jsonl$/

/** Conversations go on at their end. */
function talk(day: Day): number {
  return append(day, some(day, JSONL, 0.04), bytesOf(day.files, JSONL) * ONE_PERCENT, (size) =>
    new Conversation(day.random, 6e6 + day.random.below(1e5)).lines(size),
  )
}

function write(day: Day): number {
  const bytes = bytesOf(day.files, /^(?:logs|cron\/runs)\//) * ONE_PERCENT
  return append(day, some(day, /^logs\//, 0.1), bytes, (size) => log(day.random, size))
}

function append(
  day: Day,
  files: readonly Found[],
  bytes: number,
  more: (size: number) => Buffer,
): number {
  let appended = 0
  for (const { path } of files) {
    const piece = more(bytes / files.length)
    appendFileSync(join(day.root, path), piece)
    day.touched(path)
    appended += piece.length
  }
  return appended
}

function databases(day: Day): number {
  let bytes = 0
  for (const { path, size } of day.files) {
    const persona = /^agents\/([^/]+)\/agent\/openclaw-agent\.sqlite$/.exec(path)?.[1]
    if (persona === undefined) continue
    goOn(join(day.root, path), day.random, size * ONE_PERCENT, persona, day.round)
    day.touched(path)
    bytes += size * ONE_PERCENT
  }
  return bytes
}

/** One in a hundred notes and programs changes in its middle. */
function edit(day: Day): number {
  let bytes = 0
  for (const { path } of some(day, /^workspace.*\.(?:md|ts|json)$/, ONE_PERCENT)) {
    const was = readFileSync(join(day.root, path))
    const at = day.random.below(was.length)
    const added = Buffer.from(prose(day.random, 80 + day.random.below(200)))
    writeFileSync(
      join(day.root, path),
      Buffer.concat([was.subarray(0, at), added, was.subarray(at + 40)]),
    )
    day.touched(path)
    bytes += was.length
  }
  return bytes
}

function create(day: Day): number {
  const { root, files, random, round } = day
  const many = Math.ceil(files.filter(({ path }) => path.startsWith('workspace')).length * 0.003)
  let bytes = 0
  for (let n = 0; n < many; n++) {
    const path = `workspace/memory/new-${round}-${n}.md`
    const text = notes(random, random.size(3600, 1))
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode: 0o644 })
    day.touched(path)
    bytes += text.length
  }
  return bytes
}

function remove(day: Day): number {
  for (const { path } of some(day, /^workspace\/.*\.md$/, 0.002)) {
    rmSync(join(day.root, path), { force: true })
  }
  return 0
}

function receive(day: Day): number {
  let bytes = 0
  for (let left = bytesOf(day.files, /^media\//) * ONE_PERCENT, n = 0; left > 0; n++) {
    const path = `media/inbound/new-${day.round}-${n}.jpg`
    const picture = day.random.bytes(Math.ceil(Math.min(left, 400_000)))
    writeFileSync(join(day.root, path), picture, { mode: 0o600 })
    day.touched(path)
    left -= picture.length
    bytes += picture.length
  }
  return bytes
}

export function filesIn(root: string): readonly Found[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return { path: path.slice(root.length + 1), size: statSync(path).size }
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}
