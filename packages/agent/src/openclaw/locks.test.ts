import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { expect, test } from 'vitest'
import { type Home, makeHome } from './home.fixture.ts'
import { liveLock, readLock, startTimeOf } from './locks.ts'

/** As OpenClaw writes it: filled up with blanks. */
const writeLock = (home: Home, lock: object) =>
  home.write(
    `.openclaw/tmp/openclaw-${process.getuid?.() ?? 0}/gateway.state.lock`,
    JSON.stringify(lock).padEnd(400),
  )

test('the note of a process that runs is live, with its port', () => {
  const home = makeHome()
  expect(liveLock(home.state)).toBeUndefined()
  writeLock(home, { pid: process.pid, port: 28910, startTime: startTimeOf(process.pid) })
  expect(liveLock(home.state)).toMatchObject({ pid: process.pid, port: 28910 })
})

test('the note of a process that is gone is not, even when its number is in use again', async () => {
  const home = makeHome()
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  writeLock(home, { pid: child.pid, port: 1 })
  expect(liveLock(home.state)).toBeUndefined()
  expect(readLock(home.state)).toMatchObject({ pid: child.pid })
  const other = (startTimeOf(process.pid) ?? 0) + 1
  writeLock(home, { pid: process.pid, port: 1, startTime: other })
  expect(liveLock(home.state) === undefined).toBe(startTimeOf(process.pid) !== undefined)
})

test('a note that is not of a gateway, or not whole, is none', () => {
  const home = makeHome()
  writeLock(home, { pid: process.pid, port: 1, role: 'agent-embedded' })
  expect(readLock(home.state)).toBeUndefined()
  home.write(
    path.join('.openclaw', 'tmp', `openclaw-${process.getuid?.() ?? 0}`, 'gateway.state.lock'),
    '{"pid": 12',
  )
  expect(readLock(home.state)).toBeUndefined()
})
