/** `ocm recover` with a store's directory alone: no hub, no database, no network. */
import { randomFillSync } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import type { Answer, Operator } from './support/programs.ts'
import { operatorAt } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'

const PORT = 28_961
let ground: string
let fleet: Fleet
let home: string
/** A copy of the hub's packs, before anything was done to it. */
let store: string
/** Somebody on another machine, with the passphrase and without a hub. */
let operator: Operator
let to: string
let tries = 0

interface Recovered {
  readonly to: string
  readonly files: number
  readonly lost: readonly { readonly place: string; readonly code: string }[]
}

const said = <T>(answer: Answer) => JSON.parse(answer.out) as T
const codeOf = (answer: Answer) => said<{ code: string }>(answer).code

beforeAll(async () => {
  ground = freshMachine('recover')
  home = smallHome(join(ground, 'home', 'ada'), PORT)
  fill(home)
  fleet = await startFleet(ground)
  const agent = await fleet.enrol('ada', home, ground)
  await fleet.operator.json('backup', 'ada')
  await fleet.operator.json('nodes', 'confirm')
  await agent.stop()
  await fleet.hub.stop()
  store = join(ground, 'store')
  cpSync(join(fleet.hub.data, 'packs'), store, { recursive: true })
  rmSync(fleet.hub.data, { recursive: true })
  operator = operatorAt(join(ground, 'elsewhere'), 'http://127.0.0.1:9')
})

afterAll(() => fleet?.stop())

beforeEach(() => {
  to = join(ground, `to-${++tries}`)
})

/** What a careless program loses or changes. */
function fill(at: string): void {
  const state = join(at, '.openclaw')
  const workspace = join(state, 'workspace')
  mkdirSync(join(workspace, 'empty'), { mode: 0o750 })
  writeFileSync(Buffer.from(`${workspace}/latin-\xe9.txt`, 'latin1'), 'not UTF-8\n')
  writeFileSync(join(workspace, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(workspace, 'nothing'), '')
  writeFileSync(join(workspace, 'notes.md'), `They lie in ${workspace}.\n`)
  writeFileSync(join(workspace, 'noise.bin'), randomFillSync(Buffer.alloc(3 << 20)))
  symlinkSync('run.sh', join(workspace, 'relative'))
  symlinkSync(join(workspace, 'run.sh'), join(workspace, 'absolute'))
  mkdirSync(join(state, 'plugin-data'))
  const database = new DatabaseSync(join(state, 'plugin-data', 'memory.sqlite'))
  database.exec("create table t (x); insert into t values ('remembered')")
  database.close()
}

describe('a store', () => {
  test('says which snapshots are in it', async () => {
    const answer = await operator.ocm('recover', store, '--list', '--json')
    expect(answer).toMatchObject({ code: 0 })
    expect(said(answer)).toMatchObject({
      damaged: [],
      snapshots: [{ seq: 1, standing: 'confirmed' }],
    })
  })

  test('gives every file back byte for byte with the passphrase', async () => {
    const answer = await operator.ocm('recover', store, '--to', to)
    expect(answer).toMatchObject({ code: 0 })
    expect(treeOf(join(to, home, '.openclaw'))).toEqual(treeOf(join(home, '.openclaw')))
    expect(answer.out).toContain(`${to}${home}/.openclaw`)
    const times = [to, ''].map(
      (below) => statSync(join(`${below}${home}`, '.openclaw/openclaw.json')).mtimeMs,
    )
    expect(times[0]).toBeCloseTo(times[1] ?? 0, 0)
  })

  test('gives the same with the recovery code', async () => {
    const file = join(ground, 'code')
    writeFileSync(file, `${fleet.recoveryCode.toUpperCase()}\n`, { mode: 0o600 })
    const holder = operatorAt(join(ground, 'holder'), 'http://127.0.0.1:9', {
      OCM_RECOVERY_FILE: file,
      OCM_PASSPHRASE_FILE: '',
    })
    expect(await holder.ocm('recover', store, '--to', to, '--recovery')).toMatchObject({ code: 0 })
    expect(treeOf(join(to, home, '.openclaw'))).toEqual(treeOf(join(home, '.openclaw')))
  })

  test('gives one section alone when it is asked for', async () => {
    const answer = await operator.ocm('recover', store, '--to', to, '--section', 'environment')
    expect(answer).toMatchObject({ code: 0 })
    const names = readdirSync(to, { recursive: true, withFileTypes: true })
    expect(names.filter((one) => one.isFile()).map(({ name }) => name)).toEqual(['.env'])
  })

  test('does not open with another passphrase', async () => {
    writeFileSync(join(ground, 'elsewhere', 'passphrase'), 'another one\n', { mode: 0o600 })
    try {
      const answer = await operator.ocm('recover', store, '--to', to, '--json')
      expect([answer.code, codeOf(answer)]).toEqual([1, 'passphrase-wrong'])
    } finally {
      operator = operatorAt(join(ground, 'elsewhere'), 'http://127.0.0.1:9')
    }
  })

  test('is not written where something is already', async () => {
    mkdirSync(to)
    writeFileSync(join(to, 'mine'), 'mine')
    const answer = await operator.ocm('recover', store, '--to', to, '--json')
    expect([answer.code, codeOf(answer)]).toEqual([1, 'target-not-empty'])
    expect(readdirSync(to)).toEqual(['mine'])
  })

  test('is not found where there is none', async () => {
    mkdirSync(to)
    const answer = await operator.ocm('recover', to, '--list', '--json')
    expect([answer.code, codeOf(answer)]).toEqual([1, 'store-not-found'])
  })

  test('opens without its vault record, and says that no node can be told then', async () => {
    const bare = join(ground, 'without-record')
    cpSync(store, bare, { recursive: true })
    rmSync(join(bare, 'vault', 'record'))
    const listed = await operator.ocm('recover', bare, '--list', '--json')
    expect(said(listed)).toMatchObject({ snapshots: [{ standing: 'unknown' }] })
    const { snapshots } = said<{ snapshots: { id: string }[] }>(listed)
    const id = snapshots[0]?.id ?? ''
    const named = await operator.ocm('recover', bare, '--to', to, '--snapshot', id.slice(0, 12))
    expect(named).toMatchObject({ code: 0 })
    expect(named.err).toContain('not in the vault record')
  })
})

describe('another home', () => {
  test('gets a tree whose paths are at home there', async () => {
    const there = '/home/berta'
    const answer = await operator.ocm('recover', store, '--to', to, '--home', there, '--json')
    expect(answer).toMatchObject({ code: 0 })
    const config = readFileSync(join(to, there, '.openclaw', 'openclaw.json'), 'utf8')
    expect(config).toContain(`${there}/.openclaw/workspace`)
    expect(config).not.toContain(home)
    const notes = readFileSync(join(to, there, '.openclaw', 'workspace', 'notes.md'), 'utf8')
    expect(notes).toContain(home)
  })
})

/** The largest is the one with the noise in it. */
function damaged(): string {
  const copy = join(ground, `damaged-${tries}`)
  cpSync(store, copy, { recursive: true })
  const packs = readdirSync(copy, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^[0-9a-f]{2}\/[0-9a-f]{64}$/.test(name))
    .map((name) => join(copy, name))
    .toSorted((a, b) => statSync(b).size - statSync(a).size)
  const largest = packs[0] as string
  const bytes = readFileSync(largest)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  writeFileSync(largest, bytes)
  return copy
}

describe('a damaged pack', () => {
  test('ends the recovery and leaves nothing behind', async () => {
    const answer = await operator.ocm('recover', damaged(), '--to', to, '--json')
    expect([answer.code, codeOf(answer)]).toEqual([1, 'snapshot-damaged'])
    expect(readdirSync(ground)).not.toContain(to.slice(ground.length + 1))
  })

  test('costs only the files that use it when the rest is asked for', async () => {
    const answer = await operator.ocm('recover', damaged(), '--to', to, '--partial', '--json')
    expect(answer).toMatchObject({ code: 0 })
    const { lost } = said<Recovered>(answer)
    expect(lost).toEqual([{ place: 'workspace:main:noise.bin', code: 'pack-damaged' }])
    const whole = treeOf(join(home, '.openclaw'))
    delete (whole as Record<string, string>)['workspace/noise.bin']
    expect(treeOf(join(to, home, '.openclaw'))).toEqual(whole)
  })
})
