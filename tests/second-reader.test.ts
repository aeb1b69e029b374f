/** A store that this build made, read by the reader in Python that was written from docs/format.md. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { PASSPHRASE } from './support/programs.ts'
import { type Said, checkVectors, missingForReader, readStore } from './support/second-reader.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'

const missing = missingForReader()
if (missing.length > 0)
  console.log(`Missing, so the second reader is skipped: ${missing.join(' ')}`)

describe.skipIf(missing.length > 0)('the second reader', () => {
  let fleet: Fleet
  let home: string
  let store: string
  let bench: string
  /** What it said before the operator had confirmed the node. */
  let unconfirmed: Said
  /** Oldest first: the snapshot and what lay on the disk when it was made. */
  const made: { readonly snapshot: string; readonly tree: ReturnType<typeof treeOf> }[] = []

  beforeAll(async () => {
    const ground = freshMachine('second-reader')
    bench = mkdtempSync(join(tmpdir(), 'ocm-reader-'))
    fleet = await startFleet(ground)
    store = join(fleet.hub.data, 'packs')
    home = smallHome(join(ground, 'home', 'ada'), 28_993)
    fill(home)
    await fleet.enrol('ada', home, ground)
    for (const note of ['first', 'second']) {
      writeFileSync(join(home, '.openclaw', 'workspace', 'note.md'), note)
      const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', 'ada')
      made.push({ snapshot, tree: treeOf(home) })
    }
    unconfirmed = readStore(PASSPHRASE, 'verify', store)
    await fleet.operator.json('nodes', 'confirm')
  })

  afterAll(async () => {
    await fleet?.stop()
    rmSync(bench, { recursive: true, force: true })
  })

  const opens = () => [PASSPHRASE, fleet.recoveryCode] as const

  test('finds what docs/vectors/ says', () => {
    expect(checkVectors()).toEqual({
      code: 0,
      out: expect.stringMatching(/^\d{3,} values agree\n$/),
      err: '',
    })
  })

  test('lists what is there in order, with the passphrase and with the recovery code', () => {
    for (const secret of [...opens(), ` ${fleet.recoveryCode.toUpperCase().replaceAll('-', '')}`]) {
      const { code, out, err } = readStore(secret, 'list', store)
      expect(err).toBe('')
      expect(code).toBe(0)
      const rows = out.trimEnd().split('\n')
      expect(rows.map((row) => row.split(' ')[0])).toEqual(made.map(({ snapshot }) => snapshot))
    }
  })

  test('restores each snapshot to what was on the disk', () => {
    for (const [i, { snapshot, tree }] of made.entries()) {
      const into = join(bench, `out-${i}`)
      const secret = opens()[i % 2] as string
      expect(readStore(secret, 'restore', store, snapshot, into)).toMatchObject({
        code: 0,
        err: '',
      })
      expect(treeOf(into + home)).toEqual(tree)
    }
    expect(Object.keys(made[0]?.tree ?? {}).length).toBeGreaterThan(15)
  })

  test('finds nothing wrong in a store as it was written', () => {
    expect(readStore(PASSPHRASE, 'verify', store)).toMatchObject({ code: 0, err: '' })
  })

  test('goes on with snapshots of a node that nobody has confirmed only if told to', () => {
    expect(unconfirmed.code).toBe(1)
    expect(unconfirmed.err).toContain('nobody has confirmed')
  })

  test('opens nothing without a secret of the vault', () => {
    for (const wrong of ['velvet harbour quartz meadow lantern ospre', '0000-'.repeat(8), '']) {
      const { code, err } = readStore(wrong, 'list', store)
      expect(code).toBe(1)
      expect(err).toContain('opens no slot')
    }
  })

  test('refuses a store with one bit flipped, whichever file it is in', () => {
    const files = filesOf(store)
    const flipped = join(bench, 'flipped')
    cpSync(store, flipped, { recursive: true })
    for (const [i, file] of files.entries()) {
      const bytes = readFileSync(join(store, file))
      const at = (i * 7919) % bytes.length
      writeFileSync(join(flipped, file), bytes.with(at, (bytes[at] as number) ^ (1 << (i % 8))))
      const { code, err } = readStore(fleet.recoveryCode, 'verify', flipped)
      expect(err, `${file} at ${at}`).toMatch(/^(read_store|passed over): /)
      // A slot that is damaged is passed over: another may open.
      expect(code === 1 || file.startsWith('vault/slot-'), `${file} at ${at}`).toBe(true)
      writeFileSync(join(flipped, file), bytes)
    }
    expect(files.length).toBeGreaterThan(8)
  })

  test('leaves nothing in the place of a snapshot that is damaged', () => {
    const damaged = join(bench, 'damaged')
    cpSync(store, damaged, { recursive: true })
    const [first] = made
    for (const pack of filesOf(damaged).filter((name) => name.indexOf('/') === 2)) {
      const bytes = readFileSync(join(damaged, pack))
      const middle = bytes.length >> 1
      writeFileSync(join(damaged, pack), bytes.with(middle, (bytes[middle] as number) ^ 0x40))
    }
    const into = join(bench, 'out-damaged')
    const { code } = readStore(PASSPHRASE, 'restore', damaged, first?.snapshot ?? '', into)
    expect(code).toBe(1)
    expect(existsSync(into)).toBe(false)
  })
})

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()

/** Everything a disk can hold that a careless reader does not expect. */
function fill(home: string): void {
  const state = join(home, '.openclaw')
  const at = (name: string | Uint8Array) =>
    Buffer.concat([Buffer.from(`${state}/workspace/`), Buffer.from(name)])
  mkdirSync(at('deep/deeper/empty'), { recursive: true })
  writeFileSync(at('run-me'), '#!/bin/sh\n')
  chmodSync(at('run-me'), 0o4751)
  chmodSync(at('deep/deeper'), 0o2500)
  writeFileSync(at('empty'), '')
  writeFileSync(at(Uint8Array.of(0x66, 0xff, 0xfe, 0x2e)), 'not UTF-8')
  writeFileSync(at('größe-\u{1f980} a\nb'), 'text '.repeat(10_000))
  writeFileSync(at('large'), randomBytes(3_000_000))
  symlinkSync('/nowhere/at/all', at('dangling'))
  symlinkSync('..', at('up'))
  symlinkSync(Buffer.of(0x2e, 0x2f, 0xfd), at('odd-link'))
  const hole = openSync(at('hole'), 'w')
  ftruncateSync(hole, 2_000_000)
  closeSync(hole)
  mkdirSync(join(state, 'state'), { recursive: true })
  const database = new DatabaseSync(join(state, 'state', 'openclaw.sqlite'))
  database.exec(`CREATE TABLE t (x);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO t SELECT hex(randomblob(1000)) FROM n`)
  database.close()
}
