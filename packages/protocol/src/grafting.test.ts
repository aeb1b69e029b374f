import { describe, expect, test } from 'vitest'
import { utf8 } from './bytes.ts'
import { type Choices, defaultChoices } from './choices.ts'
import { goesAlong } from './chosen.ts'
import type { Layout } from './layout.ts'
import type { Entry, Inventory, Manifest, Mention, Tie } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Plan } from './plan.ts'
import { layoutUnder, planApply } from './planning.ts'
import { nodePrimitives as p } from './primitives/node.ts'
import type { Selection } from './selection.ts'

const layout = (home: string, more: Partial<Layout> = {}): Layout => ({
  platform: 'linux',
  hostname: home,
  user: 'al',
  uid: 1000,
  port: 28_910,
  versions: { openclaw: '2026.9.6', schemas: { state: 18, agent: 23 }, node: '24', agent: '0.1' },
  roots: { home, state: `${home}/.claw` },
  ...more,
})
const A = layout('/home/al', {
  roots: {
    home: '/home/al',
    state: '/home/al/.claw',
    'workspace:main': '/home/al/.claw/workspace',
    'workspace:work': '/home/al/work-ws',
    'extra:tool': '/home/al/tool',
  },
})
const B = layout('/srv/bob', {
  port: 5000,
  roots: {
    home: '/srv/bob',
    state: '/srv/bob/.claw',
    'workspace:main': '/srv/bob/.claw/workspace',
  },
})
const inventory = (personas: string[], cron: readonly [string, string][]): Inventory => ({
  personas,
  cron: cron.map(([id, persona]) => ({
    id,
    name: id,
    user: true,
    enabled: true,
    persona,
    schedule: 'x',
  })),
  authProfiles: [],
  plugins: [],
  skills: [],
  channels: [],
  pairings: 0,
  sessions: {},
})
const tie = (
  kind: Tie['part']['kind'],
  name: string,
  way: Tie['way'],
  what: Tie['what'],
  of: string,
  more: Partial<Tie> = {},
): Tie => ({ part: { kind, name }, way, what, name: of, ...more })
const TIES: readonly Tie[] = [
  ...['main', 'work'].flatMap((id) => [
    tie('persona', id, 'brings', 'root', `workspace:${id}`),
    tie('persona', id, 'brings', 'directory', `state:agents/${id}`),
    tie('persona', id, 'brings', 'config', `/agents/entries/${id}`),
  ]),
  tie('persona', 'work', 'needs', 'channel', 'chat'),
  tie('persona', 'work', 'needs', 'provider', 'acme'),
  tie('cron', 'report', 'needs', 'persona', 'work'),
  tie('config', '/mcp/servers/demo', 'brings', 'root', 'extra:tool'),
  tie('config', '/mcp/servers/demo/env/KEY', 'needs', 'variable', 'DEMO_KEY'),
  tie('config', '/models/providers/acme', 'brings', 'provider', 'acme'),
  tie('section', 'credentials', 'brings', 'config', '/models/providers/acme'),
  tie('section', 'skills', 'brings', 'directory', 'state:skills/cook'),
  tie('section', 'skills', 'brings', 'directory', 'state:skills/sew'),
  tie('section', 'gateway', 'brings', 'shared', 'state:config.json'),
  ...['personas', 'cron', 'credentials', 'workspaces'].map((of) =>
    tie('section', of, 'brings', 'shared', 'state:state.db'),
  ),
]
const entry = (root: string, path: string, more: Partial<Entry> = {}): Entry => ({
  root,
  path: utf8(path),
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: 100,
  ...more,
})
const mention = (path: string, at: string, text: string, more: Partial<Mention> = {}): Mention => ({
  root: 'state',
  path: utf8(path),
  at,
  section: 'gateway',
  kind: 'path',
  class: 'structured',
  text,
  under: 'home',
  ...more,
})
const manifest = (more: Partial<Manifest> = {}): Manifest => ({
  v: 1,
  layout: A,
  inventory: inventory(
    ['main', 'work'],
    [
      ['report', 'work'],
      ['sweep', 'main'],
    ],
  ),
  config: {
    agents: { entries: { main: {}, work: {} } },
    mcp: { servers: { demo: {} } },
    models: { providers: { acme: {} } },
  },
  holdings: [],
  warnings: [],
  ties: [...TIES],
  startedAt: 0,
  entries: [
    entry('state', 'config.json'),
    entry('state', 'state.db', { kind: 'database' }),
    entry('state', 'agents/main/agent.db', { kind: 'database' }),
    entry('state', 'agents/work/agent.db', { kind: 'database' }),
    entry('state', 'agents/worker/other'),
    entry('state', 'skills/cook/SKILL.md'),
    entry('workspace:main', 'MEMORY.md'),
    entry('workspace:work', 'MEMORY.md'),
    entry('extra:tool', 'run.sh'),
  ],
  omissions: [],
  mentions: [],
  ...more,
})
const facts = (more: Partial<NonNullable<TargetFacts['holds']>> = {}): TargetFacts => ({
  layout: B,
  occupied: true,
  freeBytes: { home: 1e12, state: 1e12 },
  gateway: { kind: 'user-unit', running: true },
  portsInUse: [],
  fenced: false,
  readOnlyConfig: false,
  holds: {
    inventory: inventory(['main'], [['sweep', 'main']]),
    config: { agents: { entries: { main: {} } } },
    ties: [],
    names: { 'home:': ['.claw'], 'state:': ['agents', 'workspace'], 'state:agents': ['main'] },
    ...more,
  },
})
function plan(
  only: Selection,
  wish: {
    manifest?: Manifest
    facts?: TargetFacts
    kind?: Choices['kind']
    roots?: Record<string, string>
  } = {},
): Plan {
  const kind = wish.kind ?? 'clone'
  const choices = { ...defaultChoices(kind), only, roots: wish.roots ?? {} }
  const between = { source: 'a', target: kind === 'restore' ? 'a' : 'b' }
  return planApply(p, wish.manifest ?? manifest(), wish.facts ?? facts(), choices, between)
}
const codes = ({ findings }: Plan, weight: string) =>
  findings.filter((one) => one.weight === weight).map(({ code }) => code)
const takenBy = (made: Plan) =>
  manifest()
    .entries.filter((one) => goesAlong(made, one))
    .map(({ root, path }) => `${root}:${new TextDecoder().decode(path)}`)

test('a persona comes with its workspace, its directory and its cron jobs, and nothing else of its node', () => {
  const made = plan({ personas: ['work'] })
  expect(made.graft?.personas).toEqual([{ from: 'work', to: 'work' }])
  expect(made.graft?.cron).toEqual([{ from: 'report', to: 'report' }])
  expect(takenBy(made)).toEqual([
    'state:config.json',
    'state:state.db',
    'state:agents/work/agent.db',
    'workspace:work:MEMORY.md',
  ])
  expect(made.roots).toEqual([
    { root: 'home', from: '/home/al', to: '/srv/bob' },
    { root: 'state', from: '/home/al/.claw', to: '/srv/bob/.claw' },
    { root: 'workspace:work', from: '/home/al/work-ws', to: '/srv/bob/work-ws' },
  ])
  expect(made.port).toEqual({ from: 28_910, to: 5000 })
  expect(layoutUnder(made, B).roots['workspace:main']).toBe('/srv/bob/.claw/workspace')
  expect(codes(made, 'blocker')).toEqual([])
})

test('what is called like something of the target gets another name, and a place by that name', () => {
  const made = plan({ personas: ['main'] })
  expect(made.graft?.personas).toEqual([{ from: 'main', to: 'main-2' }])
  expect(made.graft?.cron).toEqual([{ from: 'sweep', to: 'sweep-2' }])
  expect(made.graft?.carried.map(({ root, path, to }) => [root, path, to])).toEqual([
    ['workspace:main', '', '/srv/bob/.claw/workspace-main-2'],
    ['state', 'agents/main', '/srv/bob/.claw/agents/main-2'],
  ])
  expect(made.rules).toContainEqual({
    root: 'state',
    was: '/home/al/.claw/agents/main',
    becomes: '/srv/bob/.claw/agents/main-2',
  })
})

test('a name that only a directory has is taken too, and so is the next one', () => {
  const made = plan(
    { personas: ['work'] },
    { facts: facts({ names: { 'state:': [], 'state:agents': ['work', 'work-2'] } }) },
  )
  expect(made.graft?.personas).toEqual([{ from: 'work', to: 'work-3' }])
})

test('a workspace whose place is taken, or cannot be known to be free, goes below the state directory', () => {
  for (const home of [['work-ws'], undefined]) {
    const names = { ...(home ? { 'home:': home } : {}), 'state:': ['workspace-work'] }
    const made = plan({ personas: ['work'] }, { facts: facts({ names }) })
    const [workspace] = made.roots.filter(({ root }) => root === 'workspace:work')
    expect(workspace?.to).toBe('/srv/bob/.claw/workspace-work-2')
  }
})

test('an operator says where a workspace goes; over something of the target it may not', () => {
  const free = plan({ personas: ['work'] }, { roots: { 'workspace:work': '/data/ws' } })
  expect(free.roots.at(-1)?.to).toBe('/data/ws')
  expect(codes(free, 'blocker')).toEqual([])
  const over = plan(
    { personas: ['work'] },
    { roots: { 'workspace:work': '/srv/bob/.claw/workspace/in' } },
  )
  expect(codes(over, 'blocker')).toContain('roots-collide')
})

test('a restore puts parts back where they were, by their names, and says that they are replaced', () => {
  const there = facts({ inventory: inventory(['main', 'work'], [['report', 'work']]) })
  const made = plan({ personas: ['work'] }, { kind: 'restore', facts: { ...there, layout: A } })
  expect(made.graft?.personas).toEqual([{ from: 'work', to: 'work' }])
  expect(made.graft?.carried.every(({ was, to }) => was === to)).toBe(true)
  expect(codes(made, 'blocker')).toEqual([])
  expect(made.findings).toContainEqual({
    code: 'graft-replaces',
    weight: 'warning',
    facts: { count: 2 },
  })
})

describe('what a choice leaves dangling', () => {
  test.each<[string, Selection, TargetFacts, readonly string[]]>([
    ['a job without its persona', { cron: ['report'] }, facts(), ['dangling-persona']],
    [
      'a channel and a provider',
      { personas: ['work'] },
      facts(),
      ['dangling-channel', 'dangling-provider'],
    ],
    [
      'a channel, where the provider is there',
      { personas: ['work'] },
      facts({ ties: [tie('section', 'credentials', 'brings', 'provider', 'acme')] }),
      ['dangling-channel'],
    ],
    [
      'nothing that another persona of the target has for itself',
      { personas: ['work'] },
      facts({ ties: [tie('persona', 'main', 'brings', 'provider', 'acme')] }),
      ['dangling-channel', 'dangling-provider'],
    ],
    [
      'a channel, where the provider comes along',
      { personas: ['work'], config: ['/models/providers/acme'] },
      facts(),
      ['dangling-channel'],
    ],
    ['a variable', { config: ['/mcp/servers/demo'] }, facts(), ['dangling-variable']],
    [
      'nothing, where the variable is set',
      { config: ['/mcp'] },
      facts({ ties: [tie('section', 'environment', 'brings', 'variable', 'DEMO_KEY')] }),
      [],
    ],
  ])('is told before anything is applied: %s', (_, only, there, expected) => {
    expect(
      codes(plan(only, { facts: there }), 'warning').filter((c) => c.startsWith('dangling')),
    ).toEqual(expected)
  })

  test('names a plugin whose settings are chosen without it, unless the target has it or OpenClaw brings it', () => {
    const ties = [
      ...TIES,
      tie('section', 'plugins', 'brings', 'config', '/plugins/entries/demo'),
      tie('section', 'plugins', 'brings', 'config', '/plugins/entries/bundled'),
    ]
    const theirs = { ...inventory(['main', 'work'], []), plugins: ['demo'] }
    const config = { plugins: { entries: { demo: {}, bundled: {} } } }
    const of = manifest({ ties, inventory: theirs, config })
    const told = (own: readonly string[]) => {
      const holds = { inventory: { ...inventory(['main'], []), plugins: [...own] } }
      const made = plan({ config: ['/plugins'] }, { manifest: of, facts: facts(holds) })
      return made.findings.filter(({ code }) => code === 'dangling-plugin').map((f) => f.facts)
    }
    expect(told([])).toEqual([{ name: 'demo', by: 'config /plugins/entries/demo' }])
    expect(told(['demo'])).toEqual([])
  })

  test('includes a login that a clone does not get', () => {
    const ties = [...TIES, tie('persona', 'work', 'brings', 'provider', 'acme', { identity: true })]
    const of = (kind: Choices['kind']) =>
      codes(plan({ personas: ['work'] }, { kind, manifest: manifest({ ties }) }), 'warning')
    expect(of('clone')).toContain('dangling-provider')
    expect(of('restore')).not.toContain('dangling-provider')
  })
})

const large = (root: string, path: string) => ({
  root,
  path: utf8(path),
  section: 'workspaces' as const,
  size: 2_000_000,
})

test('what was not looked through is told of what is chosen, and of nothing else', () => {
  const blind = {
    fields: [
      { at: '/agents/entries/work/odd', text: '/home/al/odd' },
      { at: '/mcp/servers/demo/odd', text: '/home/al/odd' },
    ],
    texts: 2,
    first: [large('workspace:work', 'MEMORY.md'), large('workspace:main', 'MEMORY.md')],
  }
  const of = manifest({ blind })
  const told = (only: Selection) =>
    plan(only, { manifest: of }).reports.map(({ why, where }) => `${why} ${where}`)
  expect(told({ personas: ['work'] })).toEqual([
    'field-unknown configuration /agents/entries/work/odd',
    'text-unscanned workspace:work:MEMORY.md',
  ])
  expect(told({ config: ['/mcp/servers/demo'] })).toEqual([
    'field-unknown configuration /mcp/servers/demo/odd',
  ])
})

test('the keys and logins of a persona have a line of their own', () => {
  const ties = [
    ...TIES,
    tie('persona', 'work', 'brings', 'credential', 'acme:key'),
    tie('persona', 'work', 'brings', 'credential', 'acme:me', { identity: true }),
    tie('persona', 'main', 'brings', 'credential', 'acme:other'),
  ]
  const lines = (kind: Choices['kind']) =>
    plan({ personas: ['work'] }, { kind, manifest: manifest({ ties }) })
      .items.filter(({ section }) => section === 'credentials')
      .map(({ what, count, fate }) => [what, count, fate])
  expect(lines('clone')).toEqual([
    ['API keys and tokens', 1, 'kept'],
    ['OAuth logins', 1, 'left-behind'],
  ])
  expect(lines('restore').map(([, , fate]) => fate)).toEqual(['kept', 'kept'])
})

test('a part of the configuration brings the directory that it runs from', () => {
  const made = plan({ config: ['/mcp/servers/demo'] })
  expect(made.roots.at(-1)).toEqual({
    root: 'extra:tool',
    from: '/home/al/tool',
    to: '/srv/bob/tool',
  })
  expect(takenBy(made)).toContain('extra:tool:run.sh')
})

test('keys are granted for no file that none of the chosen parts is in', () => {
  const has = (only: Selection) => takenBy(plan(only)).includes('state:state.db')
  expect(takenBy(plan({ config: ['/mcp/servers/demo'] }))).toEqual([
    'state:config.json',
    'extra:tool:run.sh',
  ])
  expect(has({ sections: ['skills'] })).toBe(false)
  expect(has({ sections: ['credentials'] })).toBe(true)
  expect(has({ cron: ['report'] })).toBe(true)
})

test('a section adds what the target does not have, and leaves what it has', () => {
  const names = { 'state:': [], 'state:skills': ['sew'] }
  const made = plan({ sections: ['skills'] }, { facts: facts({ names }) })
  expect(made.graft?.carried.map(({ path }) => path)).toEqual(['skills/cook'])
  expect(codes(made, 'notice')).toContain('graft-keeps-own')
  const own = facts({ config: { models: { providers: { acme: {} } } } })
  expect(plan({ sections: ['credentials'] }, { facts: own }).graft?.config).toEqual([])
  expect(plan({ sections: ['credentials'] }).graft?.config).toEqual(['/models/providers/acme'])
})

test('of files that everything shares only the places of what is chosen are shown', () => {
  const mentions = [
    mention('config.json', '/agents/entries/work/workspace', '/home/al/work-ws'),
    mention('config.json', '/agents/entries/worker/workspace', '/home/al/other'),
    mention('state.db', 'jobs.json report /cwd', '/home/al/work-ws', { section: 'cron' }),
    mention('state.db', 'jobs.json report-2 /cwd', '/home/al/work-ws/2', { section: 'cron' }),
    mention('state.db', 'jobs.json sweep /cwd', '/home/al/x', { section: 'cron' }),
  ]
  const made = plan({ personas: ['work'] }, { manifest: manifest({ mentions }) })
  expect(made.edits.map(({ where, after }) => [where, after])).toEqual([
    ['state:config.json /agents/entries/work/workspace', '/srv/bob/work-ws'],
    ['state:state.db jobs.json report /cwd', '/srv/bob/work-ws'],
  ])
})

test.each<
  [string, Selection, { kind?: Choices['kind']; facts?: TargetFacts; manifest?: Manifest }]
>([
  ['choice-empty', {}, {}],
  ['choice-unknown', { personas: ['nobody'] }, {}],
  ['choice-unknown', { cron: ['never'] }, {}],
  ['choice-unknown', { config: ['/no/such'] }, {}],
  ['choice-unsupported', { sections: ['gateway'] }, {}],
  ['choice-of-a-move', { personas: ['work'] }, { kind: 'move' }],
  ['graft-target-empty', { personas: ['work'] }, { facts: { ...facts(), occupied: false } }],
  [
    'graft-schema-differs',
    { personas: ['work'] },
    {
      facts: {
        ...facts(),
        layout: { ...B, versions: { ...B.versions, schemas: { state: 19, agent: 23 } } },
      },
    },
  ],
])('refuses with %s', (code, only, wish) => {
  expect(codes(plan(only, wish), 'blocker')).toContain(code)
})

test('a snapshot from before there were parts gives none: nobody knows what they are made of', () => {
  const { ties: _, ...old } = manifest()
  expect(codes(plan({ cron: ['report'] }, { manifest: old }), 'blocker')).toContain('ties-unknown')
})

test('the hash is over the choice and over what became of the names', () => {
  const hashes = [
    plan({ personas: ['work'] }),
    plan({ personas: ['main'] }),
    plan({ cron: ['report'] }),
    plan(
      { personas: ['work'] },
      { facts: facts({ names: { 'state:': [], 'state:agents': ['work'] } }) },
    ),
  ].map(({ hash }) => hash)
  expect(new Set(hashes).size).toBe(hashes.length)
  expect(plan({ personas: ['work'] }).hash).toBe(hashes[0])
})
