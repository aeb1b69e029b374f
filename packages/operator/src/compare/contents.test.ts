import { type Entry, type Layout, type Manifest, pathToBytes, utf8 } from '@ocm/protocol'
import { expect, test } from 'vitest'
import type { OpenedSnapshot } from '../snapshots/open.ts'
import { compareSnapshots } from './contents.ts'

const MANY = 3000
const NAMING = 200

/** Files of which the first ones name the home; every look at the path of one is counted. */
function nodeAt(home: string, extra: string) {
  const layout = {
    hostname: 'h',
    port: 1,
    roots: { home, state: `${home}/.state` },
    versions: { openclaw: '', schemas: {}, node: '', agent: '' },
  } as unknown as Layout
  let looks = 0
  const textOf = (n: number) => `in ${home}/.state${n === 7 ? extra : ''}`
  const entries = Array.from({ length: MANY }, (_, n): Entry => {
    const path = pathToBytes(`f${n}.md`)
    return {
      root: 'state',
      get path() {
        looks += 1
        return path
      },
      kind: 'file',
      section: 'gateway',
      travel: 'always',
      mode: 0o600,
      modifiedAt: n,
      size: 1,
      sha256: n < NAMING ? utf8(textOf(n)) : utf8('same'),
      extents: [],
    }
  })
  const mentions = entries.slice(0, NAMING).map(({ path }) => ({ root: 'state', path }))
  const manifest = {
    layout,
    entries,
    mentions,
    inventory: null,
    holdings: [],
    config: null,
  } as unknown as Manifest
  const opened = {
    manifest,
    async *read({ modifiedAt }: Entry) {
      yield utf8(textOf(modifiedAt))
    },
  } as unknown as OpenedSnapshot
  looks = 0
  return { opened, looks: () => looks }
}

test('files that name their own node are read, and looking each up does not go through all of them', async () => {
  const [a, b] = [nodeAt('/home/a', ''), nodeAt('/srv/b', ' and more')]
  const { entries } = await compareSnapshots(a.opened, b.opened)
  expect(entries.map(({ path }) => path)).toEqual(['state:f7.md'])
  expect(Math.max(a.looks(), b.looks())).toBeLessThan(4 * MANY)
})
