import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
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

test.skipIf(startTimeOf(process.pid) === undefined)(
  'the note of a process that has ended and that nobody has waited for is not',
  async () => {
    const home = makeHome()
    // What takes the place of the shell does not know of the shell's child.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'])
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(String(said))
      writeLock(home, { pid, port: 1, startTime: startTimeOf(pid) })
      await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z '))
      expect(liveLock(home.state)).toBeUndefined()
      expect(startTimeOf(pid)).toBeGreaterThan(0)
    } finally {
      parent.kill()
    }
  },
)

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
