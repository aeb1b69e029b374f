/** What of the disk is looked at again. */
import { type PathLike, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { capture } from './capture.ts'
import { SmallNode, newJob } from './testing/node.ts'

const listed: string[] = []
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const readdirSync = (path: PathLike, ...rest: readonly unknown[]) => {
    listed.push(String(path))
    return Reflect.apply(fs.readdirSync, fs, [path, ...rest])
  }
  return { ...fs, readdirSync }
})

let node: SmallNode
let ahead = 0
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
  ahead = 0
})
afterEach(() => node.remove())

/** @returns the directories whose names were asked for, below the state. */
async function listedBy(at: () => number): Promise<readonly string[]> {
  listed.length = 0
  await capture(node.parts({ now: at }), { job: newJob(), trigger: 'manual' })
  const below = listed.filter((path) => path.startsWith(node.state))
  return [...new Set(below.map((path) => path.slice(node.state.length)))]
}

/** Ten seconds after the last time. */
function listedLater(): Promise<readonly string[]> {
  ahead += 10_000
  const by = ahead
  return listedBy(() => Date.now() + by)
}

test('a directory that looks as it did, and was captured whole, is not listed again', async () => {
  mkdirSync(node.at('ws/more'))
  writeFileSync(node.at('ws/more/file'), 'm')
  const all = ['/ws', '/ws/deep', '/ws/deep/deeper', '/ws/more', '/nothing in here']
  expect(await listedLater()).toEqual(expect.arrayContaining(all))
  // Something in it is left out, and another root begins in it.
  expect(await listedLater()).toEqual([''])
  writeFileSync(node.at('ws/more/new'), 'n')
  expect(await listedLater()).toEqual(['', '/ws/more'])
  utimesSync(node.at('ws/deep'), 1, 1)
  expect(await listedLater()).toEqual(['', '/ws/deep'])
  expect(await listedLater()).toEqual([''])
})

test('one that changed a moment before is listed again: a later change might show the same time', async () => {
  await listedLater()
  mkdirSync(node.at('ws/young'))
  expect(await listedBy(Date.now)).toContain('/ws/young')
  expect(await listedLater()).toContain('/ws/young')
  expect(await listedLater()).not.toContain('/ws/young')
})
