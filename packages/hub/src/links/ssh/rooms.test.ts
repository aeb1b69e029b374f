import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { clearRooms, placesInMemory, roomsOf } from './rooms.ts'

const made: string[] = []
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

const roomIn = (place: string, data: string) => {
  const path = mkdtempSync(join(place, roomsOf(data)))
  made.push(path)
  mkdirSync(join(path, 'within'))
  writeFileSync(join(path, 'known'), '')
  return path
}

it('removes the rooms of this hub wherever they are, and none of another’s', () => {
  const [ours, theirs] = ['ours', 'theirs'].map((name) => join(tmpdir(), name)) as [string, string]
  const left = placesInMemory().map((place) => roomIn(place, ours))
  const other = roomIn(tmpdir(), theirs)
  expect(left.length).toBeGreaterThan(0)
  clearRooms(roomsOf(ours))
  expect(left.filter((path) => existsSync(path))).toEqual([])
  expect(existsSync(other)).toBe(true)
})

it.skipIf(process.getuid?.() !== 0)(
  'leaves alone what somebody else has made under such a name',
  () => {
    const path = join(tmpdir(), `${roomsOf('/data')}link`)
    made.push(path)
    mkdirSync(path)
    chownSync(path, 65_534, 65_534)
    clearRooms(roomsOf('/data'))
    expect(existsSync(path)).toBe(true)
  },
)
