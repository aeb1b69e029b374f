import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCatalog } from './open.ts'

const run = (...[command, ...args]: [string, ...string[]]) => execFileSync(command, args)

/** Whether this machine lets us mount a file. Elsewhere no power can be cut. */
const canMount = (() => {
  try {
    run('unshare', '--mount', 'sh', '-c', 'test -w /dev/loop-control && command -v mkfs.ext4')
    return true
  } catch {
    return false
  }
})()

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/ocm-power-`)
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function mounted<T>(image: string, work: (at: string) => Promise<T>): Promise<T> {
  const at = `${image}.mounted`
  await mkdir(at)
  // Nothing reaches the disk by itself within the test.
  run('mount', '-o', 'loop,commit=300,noauto_da_alloc', image, at)
  try {
    return await work(at)
  } finally {
    run('umount', at)
  }
}

type Close = () => unknown

/** @returns how many entries the audit log has if the power is cut when `work` has been answered, before it is closed */
async function entriesLeft(work: (file: string) => Promise<Close>): Promise<number> {
  const disk = `${directory}/disk`
  run('truncate', '-s', '32M', disk)
  run('mkfs.ext4', '-q', disk)
  await mounted(disk, async (at) => {
    const close = await work(`${at}/catalog.sqlite`)
    await copyFile(disk, `${directory}/cut`)
    await close()
  })
  return mounted(`${directory}/cut`, async (at) => {
    const database = new DatabaseSync(`${at}/catalog.sqlite`)
    const row = database.prepare('select count(*) as count from audit').get()
    database.close()
    return Number(row?.['count'])
  })
}

const note = (at: number) => ({ at, actor: 'x', action: 'login', subject: String(at) }) as const

test.runIf(canMount)('what was answered is there after a power cut', async () => {
  const left = await entriesLeft(async (file) => {
    const catalog = await openCatalog(file)
    for (let at = 1; at <= 20; at++) await catalog.audit.note(note(at))
    await Promise.all([21, 22, 23].map((at) => catalog.audit.note(note(at))))
    return catalog.close
  })
  expect(left).toBe(23)
})

test.runIf(canMount)('where nobody asks the disk, it is not', async () => {
  const left = await entriesLeft(async (file) => {
    await (await openCatalog(file)).close()
    const database = new DatabaseSync(file)
    database.exec('pragma synchronous = normal')
    const add = database.prepare(
      'insert into audit (at, actor, action, subject, hash) values (?, ?, ?, ?, ?)',
    )
    for (let at = 1; at <= 20; at++) add.run(at, 'x', 'login', 'x', String(at))
    return () => database.close()
  })
  expect(left).toBe(0)
})
