import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Rename, swapBack, swapForward } from './renames.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-renames-'))
  await put('live/config', 'old')
  await put('live/cache/page', 'cached')
  await put('live.stage/config', 'new')
  await put('work.stage', 'new file')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const put = async (path: string, text: string) => {
  const parts = path.split('/')
  await mkdir(join(dir, ...parts.slice(0, -1)), { recursive: true })
  await writeFile(join(dir, path), text)
}
const at = (path: string) => join(dir, path)
const swap = (): readonly Rename[] => [
  { from: at('live'), to: at('live.before'), own: 'to' },
  { from: at('live.before/cache'), to: at('live.stage/cache'), own: 'from' },
  { from: at('live.stage'), to: at('live'), own: 'from' },
  { from: at('work.stage'), to: at('work'), own: 'from' },
]

async function tree(): Promise<Record<string, string>> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile())
  const read = files.map(async (file) => {
    const path = join(file.parentPath, file.name)
    return [path.slice(dir.length + 1), await readFile(path, 'utf8')] as const
  })
  return Object.fromEntries((await Promise.all(read)).toSorted())
}

const OLD = {
  'live.stage/config': 'new',
  'live/cache/page': 'cached',
  'live/config': 'old',
  'work.stage': 'new file',
}
const NEW = {
  'live.before/config': 'old',
  'live/cache/page': 'cached',
  'live/config': 'new',
  work: 'new file',
}

test('forward puts the new tree in place, keeps the old one and carries over what is made anew', async () => {
  await swapForward(swap(), '.stray')
  expect(await tree()).toEqual(NEW)
})

test('forward and back may be cut off after any rename and run again, in either direction', async () => {
  for (let cut = 0; cut <= swap().length; cut++) {
    await swapForward(swap().slice(0, cut), '.stray')
    await swapBack(swap(), '.stray')
    expect(await tree()).toEqual(OLD)
    await swapForward(swap().slice(0, cut), '.stray')
    await swapForward(swap(), '.stray')
    expect(await tree()).toEqual(NEW)
    await swapBack(swap().slice(cut), '.stray')
    await swapBack(swap(), '.stray')
    expect(await tree()).toEqual(OLD)
  }
})

test('what somebody put in the way meanwhile is moved aside, never overwritten', async () => {
  await swapForward(swap().slice(0, 1), '.stray')
  await put('live/config', 'a stranger')
  await swapForward(swap(), '.stray')
  expect(await tree()).toEqual({ ...NEW, 'live.stray/config': 'a stranger' })
  await rm(at('live.stray'), { recursive: true })
  await swapBack(swap(), '.stray')
  expect(await tree()).toEqual(OLD)
})

test('what was carried over and has vanished since does not stop the way back', async () => {
  await swapForward(swap(), '.stray')
  await rm(at('live/cache'), { recursive: true })
  await swapBack(swap(), '.stray')
  const { 'live/cache/page': _, ...rest } = OLD
  expect(await tree()).toEqual(rest)
})

test('a rename onto another filesystem says so', async () => {
  const other = await mkdtemp('/dev/shm/ocm-renames-')
  try {
    const step: Rename = { from: at('live'), to: join(other, 'live'), own: 'to' }
    await expect(swapForward([step], '.stray')).rejects.toMatchObject({
      code: 'apply-failed',
      facts: { step: 'swapping', why: 'other-filesystem' },
    })
    expect(await tree()).toEqual(OLD)
  } finally {
    await rm(other, { recursive: true })
  }
})
