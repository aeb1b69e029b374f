import { describe, expect, it } from 'vitest'
import { OcmError } from '../errors.ts'
import { Inbox } from './inbox.ts'

const KIB = 1024
const malformed = { code: 'malformed' }

describe('an inbox', () => {
  it('gives records in order, whether they are there or awaited', async () => {
    const inbox = new Inbox()
    inbox.push(Uint8Array.of(1))
    const awaited = [inbox.next(10), inbox.next(10)]
    inbox.push(Uint8Array.of(2))
    expect(await Promise.all(awaited)).toEqual([Uint8Array.of(1), Uint8Array.of(2)])
  })

  it('refuses a record that is longer than it may be', async () => {
    const inbox = new Inbox()
    inbox.push(new Uint8Array(11))
    await expect(inbox.next(10)).rejects.toMatchObject(malformed)
  })

  it('holds 16 KiB unread of a stranger, and 4 MiB of one who is known', async () => {
    for (const [trusted, most] of [
      [false, 16 * KIB],
      [true, 4 * KIB * KIB],
    ] as const) {
      const inbox = new Inbox()
      if (trusted) inbox.trust()
      for (let held = 0; held < most; held += 8 * KIB) inbox.push(new Uint8Array(8 * KIB))
      expect(inbox.failure).toBeNull()
      inbox.push(Uint8Array.of(1))
      expect(inbox.failure).toMatchObject(malformed)
      expect(inbox.rest()).toEqual([])
    }
  })

  it('fails who waits and who comes later, with the first reason', async () => {
    const inbox = new Inbox()
    const waiting = inbox.next(10).catch((error: unknown) => error)
    inbox.fail(new OcmError('deadline-passed'))
    inbox.fail(new OcmError('link-lost'))
    expect(await waiting).toMatchObject({ code: 'deadline-passed' })
    await expect(inbox.next(10)).rejects.toMatchObject({ code: 'deadline-passed' })
    await expect(inbox.failed).rejects.toMatchObject({ code: 'deadline-passed' })
  })
})
