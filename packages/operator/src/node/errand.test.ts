/** The agent package in a process of its own: what it may do, and how it is ended. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { UnpackErrand } from '@ocm/protocol'
import { type Limits, runErrand } from './errand.ts'

const MIB = 1024 * 1024
const ENOUGH = { timeMs: 60_000, memoryBytes: 768 * MIB }

let dir: string
let errand: UnpackErrand

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocm-errand-'))
  mkdirSync(join(dir, 'to'))
  writeFileSync(join(dir, 'archive.tar.gz'), gzipSync(Buffer.alloc(4096)))
  errand = {
    kind: 'unpack',
    archive: join(dir, 'archive.tar.gz'),
    to: join(dir, 'to'),
    skipLinks: false,
    maxRatio: 100,
  }
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

const codeOf = (limits: Limits): Promise<unknown> =>
  runErrand(errand, { limits }).then(
    () => 'done',
    (error: unknown) => error,
  )

const may = () => ({ read: [errand.archive, errand.to], write: [errand.to] })

test('what it finds wrong is told with its code', async () => {
  const error = await codeOf({ ...ENOUGH, may: may() })
  expect(error).toMatchObject({ code: 'archive-refused', facts: { why: 'it has no manifest' } })
})

test('a file that it was not shown cannot be read', async () => {
  const error = await codeOf({ ...ENOUGH, may: { ...may(), read: [errand.to] } })
  expect(error).toMatchObject({ code: 'archive-unreadable' })
})

test('it is ended when it takes more memory than it may', async () => {
  const error = await codeOf({ ...ENOUGH, memoryBytes: 24 * MIB })
  expect(error).toMatchObject({ code: 'errand-stopped', facts: { limit: 'memory' } })
  expect(readdirSync(errand.to)).toEqual([])
})

test('it is ended when it takes more time than it may', async () => {
  const error = await codeOf({ ...ENOUGH, timeMs: 1 })
  expect(error).toMatchObject({ code: 'errand-stopped', facts: { limit: 'time' } })
})
