import { readFileSync } from 'node:fs'
import path from 'node:path'
import JSON5 from 'json5'
import { expect, test } from 'vitest'
import {
  type Choices,
  type Layout,
  type Manifest,
  type TargetFacts,
  defaultChoices,
  planApply,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { examine } from './examine.ts'
import { makeHome } from './home.fixture.ts'
import { locate } from './layout.ts'
import { rewriteStaged } from './rewriting.ts'
import { type Node, captured, layoutOf, stage, whereOf } from './staged.fixture.ts'

/** A home whose workspaces lie where its configuration makes OpenClaw look. */
function nodeWith(config: string, more: Readonly<Record<string, string>> = {}): Node {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', config)
  for (const [name, text] of Object.entries(more)) home.write(name, text)
  const { roots } = locate(whereOf({ home, layout: layoutOf(home.home) }), undefined, '').layout
  return { home, layout: { ...layoutOf(home.home), roots } }
}

const WHOLE = 'the rest of it'
interface Asked {
  readonly roots?: Readonly<Record<string, string>>
  readonly choices?: Partial<Choices>
}

/** @returns what the plan shows of personas, and what stands in the files of the target. */
async function moved(node: Node, { roots = {}, choices = {} }: Asked = {}) {
  const at = (place: string) => `/srv/bob${place.slice(node.home.home.length)}`
  const own = Object.entries(node.layout.roots).map(([root, place]) => [root, at(place)])
  const to: Layout = {
    ...node.layout,
    hostname: 'node-b',
    roots: { ...Object.fromEntries(own), ...roots },
  }
  const { staged, at: onDisk } = stage(node, to, choices)
  const { changed } = await rewriteStaged(staged)
  const text = (name: string) =>
    JSON5.parse(readFileSync(onDisk(`/srv/bob/.openclaw/${name}`), 'utf8'))
  return {
    edits: await editsOf(node, to, staged.choices),
    config: text('openclaw.json'),
    text,
    changed,
  }
}

async function editsOf(node: Node, to: Layout, choices: Choices) {
  const found = await examine(captured(node), whereOf(node))
  const manifest = { v: 1, layout: node.layout, entries: [], omissions: [], ...found } as unknown
  const chosen = Object.entries(to.roots).filter(([root]) => root !== 'home' && root !== 'state')
  const { home = '', state = '' } = to.roots
  const facts: TargetFacts = {
    layout: { ...to, roots: { home, state } },
    occupied: false,
    freeBytes: {},
    gateway: { kind: 'none', running: false },
    portsInUse: [],
    fenced: false,
    readOnlyConfig: false,
  }
  const between = { source: 'a', target: 'b' }
  const plan = planApply(
    nodePrimitives,
    manifest as Manifest,
    facts,
    { ...choices, roots: Object.fromEntries(chosen) },
    between,
  )
  return plan.edits
    .filter(({ section }) => section === 'personas')
    .map(({ where, before, after, done }) => [path.basename(where), before, after, done] as const)
}

test('a workspace that goes where OpenClaw looks by itself is not named', async () => {
  const { edits, config, changed } = await moved(
    nodeWith('{}', { '.openclaw/workspace/A.md': WHOLE }),
  )
  expect(config).toEqual({})
  expect(edits).toEqual([])
  expect(changed['workspaces named']).toBeUndefined()
})

test('one that goes elsewhere is named, and the plan shows it', async () => {
  const node = nodeWith('// mine\n{ gateway: { mode: "local" } }', {
    '.openclaw/workspace/A.md': WHOLE,
  })
  const { edits, config, changed } = await moved(node, { roots: { 'workspace:main': '/data/ws' } })
  expect(config).toEqual({
    gateway: { mode: 'local' },
    agents: { defaults: { workspace: '/data/ws' } },
  })
  expect(edits).toEqual([['workspace', '', '/data/ws', true]])
  expect(changed['workspaces named']).toBe(1)
})

test('of several personas each that goes elsewhere is named, in its own entry', async () => {
  const config = `{ agents: { ownership: 'explicit', entries: { Main: {}, work: { model: 'm/x' } } } }`
  const node = nodeWith(config, {
    '.openclaw/workspace-main/A.md': WHOLE,
    '.openclaw/workspace-work/A.md': WHOLE,
  })
  const { edits, config: became } = await moved(node, { roots: { 'workspace:main': '/data/ws' } })
  expect(became.agents).toEqual({
    ownership: 'explicit',
    entries: { Main: { workspace: '/data/ws' }, work: { model: 'm/x' } },
  })
  expect(edits).toHaveLength(1)
})

test('in the older shape, a list, the entry of the persona names it', async () => {
  const config = `{ agents: { list: [{ id: 'a' }, { id: 'b', name: 'B' }] } }`
  const node = nodeWith(config, {
    '.openclaw/workspace/A.md': WHOLE,
    '.openclaw/workspace-b/A.md': WHOLE,
  })
  const { config: became } = await moved(node, {
    roots: { 'workspace:a': '/data/a', 'workspace:b': '/data/b' },
  })
  expect(became.agents.list).toEqual([
    { id: 'a', workspace: '/data/a' },
    { id: 'b', name: 'B', workspace: '/data/b' },
  ])
})

test('what lies in a shared directory is named only when it leaves that', async () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    `{ agents: { ownership: 'explicit', defaults: { workspace: '${home.home}/ws' }, entries: { a: {}, b: {} } } }`,
  )
  home.write('ws/a/A.md', WHOLE)
  home.write('ws/b/A.md', WHOLE)
  const { roots } = locate(whereOf({ home, layout: layoutOf(home.home) }), undefined, '').layout
  const node = { home, layout: { ...layoutOf(home.home), roots } }
  const { config: became } = await moved(node, { roots: { 'workspace:b': '/data/b' } })
  expect(became.agents).toMatchObject({
    defaults: { workspace: '/srv/bob/ws' },
    entries: { a: {}, b: { workspace: '/data/b' } },
  })
  expect(became.agents.entries.a).toEqual({})
})

test('a relative workspace, which no rule reaches, is said outright', async () => {
  const node = nodeWith(`{ agents: { defaults: { workspace: 'ws' } } }`, { 'ws/A.md': WHOLE })
  const { config } = await moved(node, { roots: { 'workspace:main': '/data/ws' } })
  expect(config.agents.defaults.workspace).toBe('/data/ws')
  expect((await moved(node)).config.agents.defaults.workspace).toBe('ws')
})

test('the file that has the entry names it, not the one that two of them include', async () => {
  const config = `{ agents: { $include: './agents.json5' } }`
  const node = nodeWith(config, {
    '.openclaw/agents.json5': `{ ownership: 'explicit', entries: { a: { $include: './like.json5' }, b: { $include: './like.json5' } } }`,
    '.openclaw/like.json5': `{ model: 'm/x' }`,
    '.openclaw/workspace-a/A.md': WHOLE,
    '.openclaw/workspace-b/A.md': WHOLE,
  })
  const { text, config: main } = await moved(node, { roots: { 'workspace:b': '/data/b' } })
  expect(main).toEqual({ agents: { $include: './agents.json5' } })
  expect(text('agents.json5').entries.b).toEqual({ $include: './like.json5', workspace: '/data/b' })
  expect(text('like.json5')).toEqual({ model: 'm/x' })
})

test('what only a variable of the process named is named on another node', async () => {
  const node = nodeWith('{}', { 'pinned/A.md': WHOLE })
  const layout = {
    ...node.layout,
    roots: { ...node.layout.roots, 'workspace:main': node.home.at('pinned') },
  }
  const { config } = await moved({ ...node, layout })
  expect(config.agents.defaults.workspace).toBe('/srv/bob/pinned')
})

test('a restore in place names nothing', async () => {
  const node = nodeWith('{}', { '.openclaw/workspace/A.md': WHOLE })
  const { staged, at } = stage(node, node.layout, { ...defaultChoices('restore') })
  expect(await rewriteStaged(staged)).toEqual({ changed: {} })
  expect(readFileSync(at(node.home.at('.openclaw/openclaw.json')), 'utf8')).toBe('{}')
})
