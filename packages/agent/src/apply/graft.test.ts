/** Parts are put among what is live when nothing writes to it any more: nothing is lost, and everything goes back. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Tie, OcmError } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NOTHING } from '../../../../tests/support/rig/agent.ts'
import { undoUnder } from '../../../../tests/support/rig/operator.ts'
import { inventoryIn } from '../../../../tests/support/rig/node.ts'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { digestOf, treeOf } from '../../../../tests/support/rig/trees.ts'
import { B, keys, vaultRecord } from '../../../../tests/support/rig/vault.ts'
import type { GraftRequest, Grafting } from '../installation.port.ts'
import { createApply } from './apply.ts'

let stand: Stand

const part = { kind: 'persona', name: 'second' } as const
const TIES: Tie[] = [
  { part, way: 'brings', what: 'directory', name: 'state:agents/second' },
  {
    part: { kind: 'section', name: 'gateway' },
    way: 'brings',
    what: 'shared',
    name: 'state:config.json',
  },
  {
    part: { kind: 'section', name: 'gateway' },
    way: 'brings',
    what: 'shared',
    name: 'state:data.sqlite',
  },
]

beforeEach(async () => {
  stand = await Stand.open(createApply)
  const tree = treeOf(ELSEWHERE, 'new', {
    'state:agents/second': null,
    'state:agents/second/notes.md': 'of the second',
    'state:agents/main/private.md': 'not chosen',
  })
  const written = JSON.parse(String(tree['state:config.json'])) as object
  stand.arrange(
    stand.take(
      {
        ...tree,
        'state:config.json': JSON.stringify({ ...written, personas: ['main', 'second'] }),
      },
      { ties: TIES },
    ),
  )
  equip()
})
afterEach(() => stand.close())

const config = () => path.join(stand.place.home, 'app/config.json')
const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>

/** What the rig's node has instead of OpenClaw: the personas of a configuration. */
function equip(): void {
  const { installation } = stand
  const facts = installation.facts.bind(installation)
  const grafting: Grafting = {
    rename: async () => {},
    merge: async ({ staged, graft, into }: GraftRequest) => {
      const theirs = read(staged.at(config()))
      if (!(theirs['personas'] as string[]).includes('second')) throw new OcmError('internal')
      const own = read(config())
      const personas = [...(own['personas'] as string[]), ...graft.personas.map(({ to }) => to)]
      mkdirSync(into, { recursive: true })
      const fresh = path.join(into, 'config')
      writeFileSync(fresh, JSON.stringify({ ...own, personas }))
      const inventory = inventoryIn(readFileSync(fresh, 'utf8'))
      return { files: [{ absolute: config(), fresh }], inventory, changed: { personas: 1 } }
    },
    validate: async () => {},
  }
  Object.assign(installation, {
    grafting,
    facts: async (of: { readonly ports: readonly number[] }) => ({
      ...(await facts(of)),
      holds: {
        inventory: await installation.inventory(await installation.layout()),
        config: {},
        ties: [],
        names: { 'home:': ['app', 'work'], 'state:': [], 'state:agents': [] },
      },
    }),
  })
}

const staged = async () => {
  const order = await stand.order({ isTried: true, choices: { only: { personas: ['second'] } } })
  await stand.stage(order)
}
const activate = () => stand.apply.activate({ job: JOB, fenced: NOTHING, header: NOTHING })

test('what the node writes until its gateway stops is kept, and what was chosen has come to it', async () => {
  const before = digestOf(stand.place.home).filter((line) => !line.includes('config.json'))
  await staged()
  writeFileSync(config(), JSON.stringify({ ...read(config()), late: 'written while staged' }))
  const done = await activate()
  expect([done.spoke, done.code, done.inventoryEqual]).toEqual([true, '', true])
  expect(read(config())).toMatchObject({
    late: 'written while staged',
    cron: ['job-old'],
    personas: ['main', 'second'],
  })
  const at = (name: string) => readFileSync(path.join(stand.place.home, 'app', name), 'utf8')
  expect(at('agents/second/notes.md')).toBe('of the second')
  const after = new Set(digestOf(stand.place.home))
  expect(before.filter((line) => !after.has(line))).toEqual([])
  expect([...after].some((line) => line.includes('private.md'))).toBe(false)
})

test('a gateway that does not start on it leaves the node exactly as it was', async () => {
  const before = digestOf(stand.place.home)
  await staged()
  stand.installation.fail.set('start', new OcmError('openclaw-unhealthy'))
  const done = await activate()
  expect([done.spoke, done.code]).toEqual([false, 'openclaw-unhealthy'])
  expect(digestOf(stand.place.home)).toEqual(before)
  expect(stand.manager.stateOf(stand.place.home)).toMatchObject({ running: true })
})

test('what is staged is put in after a restart of the agent, which has no key any more', async () => {
  await staged()
  const { installation } = stand
  stand.restart()
  Object.assign(stand.installation, {
    grafting: installation.grafting,
    facts: installation.facts,
  })
  await stand.apply.recover()
  expect((await activate()).spoke).toBe(true)
  expect(read(config())['personas']).toEqual(['main', 'second'])
})

test('a discarded graft leaves nothing behind', async () => {
  const before = digestOf(stand.place.home)
  await staged()
  expect(digestOf(stand.place.home)).not.toEqual(before)
  await stand.apply.discard(JOB)
  expect(digestOf(stand.place.home)).toEqual(before)
})

test('there is no trial of parts: nothing of them could be started by itself', async () => {
  await staged()
  expect(await stand.apply.trial(JOB)).toMatchObject({ skipped: true })
})

test('it is taken back with one order, and the next apply clears what was kept for that', async () => {
  const before = digestOf(stand.place.home)
  const order = await stand.order({ choices: { only: { personas: ['second'] } } })
  await stand.stage(order)
  await activate()
  const me = { id: B, key: keys.b }
  const job = '1d'.repeat(16)
  const description = await stand.apply.describe(vaultRecord())
  const undo = undoUnder(description, { job, target: me, undoes: order })
  await stand.apply.undo({ job, order: undo, record: vaultRecord() })
  const live = digestOf(stand.place.home).filter((line) => !line.includes('.ocm-'))
  expect(live).toEqual(before)
  const next = '1c'.repeat(16)
  const choices = { only: { personas: ['second'] } }
  await stand.stage(await stand.order({ job: next, choices }), { job: next })
  expect(await stand.activate(next)).toMatchObject({ spoke: true })
  const kept = digestOf(stand.place.home).filter((line) => line.includes('.ocm-graft'))
  expect(kept.every((line) => line.includes(`.ocm-graft-${next}/`))).toBe(true)
})
