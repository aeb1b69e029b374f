import { describe, expect, test } from 'vitest'
import { utf8 } from './bytes.ts'
import { defaultChoices } from './choices.ts'
import type { Entry, Manifest, Mention } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Plan } from './plan.ts'
import { planApply } from './planning.ts'
import { nodePrimitives as p } from './primitives/node.ts'
import { openWish, placesIn, sealWish, wishOf } from './reporting.ts'

const VERSIONS = { openclaw: '2026.9.6', schemas: {}, node: '24', agent: '0.1' }
const HERE = {
  platform: 'linux',
  hostname: 'a',
  user: 'al',
  uid: 1000,
  port: 28_910,
  versions: VERSIONS,
  roots: { home: '/home/al', state: '/home/al/.claw', 'workspace:work': '/home/al/work' },
}
const THERE = {
  ...HERE,
  hostname: 'b',
  roots: { home: '/srv/bob', state: '/srv/bob/.claw' },
}

const entry = (root: string, path: string, more: Partial<Entry> = {}): Entry => ({
  root,
  path: utf8(path),
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: 1,
  ...more,
})
const ENTRIES = [
  entry('state', 'config.json'),
  entry('state', 'plugins/p/index.js'),
  entry('state', 'old.pem', { travel: 'host' }),
  entry('workspace:work', 'tools/run.sh'),
]

const mention = (text: string, more: Partial<Mention> = {}): Mention => ({
  root: 'state',
  path: utf8('config.json'),
  at: '/x',
  section: 'plugins',
  kind: 'path',
  class: 'structured',
  text,
  under: '',
  needed: true,
  ...more,
})
const manifest = (mentions: readonly Mention[], more: Partial<Manifest> = {}): Manifest => ({
  v: 1,
  layout: HERE,
  inventory: null,
  config: {},
  holdings: [],
  warnings: [],
  startedAt: 0,
  entries: ENTRIES,
  omissions: [],
  mentions,
  ...more,
})

/** @param has what the target answers to what is asked of it; it was not asked when undefined. */
function plan(
  of: Manifest,
  has?: { paths?: readonly string[]; commands?: readonly string[]; ports?: readonly number[] },
  more: Partial<TargetFacts> = {},
): Plan {
  const facts: TargetFacts = {
    layout: THERE,
    occupied: false,
    freeBytes: { home: 1e12, state: 1e12 },
    gateway: { kind: 'user-unit', running: false },
    portsInUse: [],
    fenced: false,
    readOnlyConfig: false,
    ...more,
  }
  const between = { source: 'a', target: 'b' }
  const choices = defaultChoices('move')
  const first = planApply(p, of, facts, choices, between)
  if (has === undefined) return first
  const wish = wishOf(of, first)
  const answered: TargetFacts = {
    ...facts,
    has: {
      paths: wish.paths.map((one) => [one, has.paths?.includes(one) ?? false]),
      commands: wish.commands.map((one) => [one, has.commands?.includes(one) ?? false]),
      ports: wish.ports.map((one) => [one, has.ports?.includes(one) ?? false]),
    },
  }
  return planApply(p, of, answered, choices, between)
}
const told = (made: Plan) => made.reports.map(({ why, text }) => [why, text])
const finding = (made: Plan, code: string) => made.findings.find((one) => one.code === code)

describe('places', () => {
  const MISSING = 'path-missing'
  test.each([
    ['what the snapshot brings is there', '/home/al/.claw/plugins/p/index.js', {}, []],
    ['and the directories around it', '/home/al/work/tools', {}, []],
    ['and its roots', '/home/al/work/', {}, []],
    ['written with ~', '~/work/tools/run.sh', {}, []],
    [
      'what it does not bring is missing where it would be on the target',
      '/home/al/projects/x',
      {},
      [[MISSING, '/srv/bob/projects/x']],
    ],
    ['unless the target has it', '/home/al/projects/x', { paths: ['/srv/bob/projects/x'] }, []],
    ['a program of the machine is asked for', '/opt/tool/run', {}, [[MISSING, '/opt/tool/run']]],
    ['and may be there', '/opt/tool/run', { paths: ['/opt/tool/run'] }, []],
    [
      'what stays on its machine does not come along',
      '/home/al/.claw/old.pem',
      {},
      [[MISSING, '/srv/bob/.claw/old.pem']],
    ],
    [
      'each of a list is looked at',
      '/home/al/work/tools:/home/al/bin',
      {},
      [[MISSING, '/srv/bob/bin']],
    ],
    ['a pattern names no place', '/home/al/bin/*.sh', {}, []],
    ['a path in a command line', '--root=/home/al/data,ro', {}, [[MISSING, '/srv/bob/data']]],
  ])('%s: %s', (_, text, has, expected) => {
    expect(told(plan(manifest([mention(text)]), has))).toEqual(expected)
  })

  test('what was missing before is told apart, and weighs less', () => {
    const gone = mention('/home/al/gone', { missing: true, at: '/y' })
    const made = plan(manifest([mention('/home/al/lost'), gone]), {})
    expect(told(made)).toEqual([
      [MISSING, '/srv/bob/lost'],
      ['path-nowhere', '/srv/bob/gone'],
    ])
    expect(finding(made, 'paths-missing')).toEqual({
      code: 'paths-missing',
      weight: 'warning',
      facts: { count: 1, first: '/srv/bob/lost' },
    })
    expect(finding(made, 'paths-nowhere')?.weight).toBe('notice')
  })

  test('a target that was not asked is no target that lacks something', () => {
    const made = plan(manifest([mention('/home/al/lost')]))
    expect(told(made)).toEqual([['path-unchecked', '/srv/bob/lost']])
  })

  test('what need not be there is not asked for', () => {
    const { needed: _, ...log } = mention('/home/al/logs/claw.log')
    expect(wishOf(manifest([log]), plan(manifest([log])))).toEqual({
      paths: [],
      commands: [],
      ports: [],
    })
  })

  test('of a text with variables, whatever they stand for is looked for elsewhere', () => {
    expect(placesIn('${TOOLS}/run', [])).toEqual([])
    expect(placesIn('/opt/${NAME}/run', [])).toEqual([])
  })
})

describe('programs, ports and addresses', () => {
  const mentions = [
    mention('npx', { kind: 'command', at: '/mcp/command' }),
    mention('8787', { kind: 'port', at: '/telegram/webhookPort' }),
    mention('28910', { kind: 'port', at: '/gateway/port' }),
    mention('http://127.0.0.1:11434/v1', { kind: 'host', at: '/models/baseUrl' }),
    mention('localhost:5900', { kind: 'host', at: '/desktop/host/port' }),
    mention('https://claw.example', { kind: 'host', at: '/gateway/publicOrigin' }),
  ]

  test('are asked for', () => {
    const of = manifest(mentions)
    expect(wishOf(of, plan(of))).toEqual({
      paths: [],
      commands: ['npx'],
      ports: [8787, 11_434, 5900],
    })
  })

  test('and told where they do not hold', () => {
    const made = plan(manifest(mentions), { ports: [8787, 5900] })
    expect(told(made)).toEqual([
      ['command-missing', 'npx'],
      ['port-in-use', '8787'],
      ['localhost-silent', 'http://127.0.0.1:11434/v1'],
      ['localhost', 'localhost:5900'],
      ['host', 'https://claw.example'],
    ])
    const codes = ['commands-missing', 'ports-in-use', 'localhost-silent', 'host-names']
    for (const code of codes) expect(finding(made, code)?.weight).toBe('warning')
    expect(finding(made, 'localhost-urls')?.weight).toBe('notice')
  })

  test('a port that the kernel of the target lists needs no question', () => {
    const made = plan(manifest(mentions), undefined, { portsInUse: [8787] })
    expect(told(made)).toContainEqual(['port-in-use', '8787'])
  })
})

test('what OCM has no rules for is told by name', () => {
  const unknowns = [{ name: 'state:db', schema: 19, known: 18, parts: ['planted', 'old.column'] }]
  const made = plan(manifest([], { unknowns }))
  expect(told(made)).toEqual([
    ['schema-unknown', '19 > 18'],
    ['table-unknown', 'planted'],
    ['table-unknown', 'old.column'],
  ])
  expect(finding(made, 'tables-unknown')).toEqual({
    code: 'tables-unknown',
    weight: 'warning',
    facts: { count: 2, first: 'planted' },
  })
})

test('the order is not bound to what the target has, but to what OCM does not know', () => {
  const of = manifest([mention('/home/al/lost'), mention('npx', { kind: 'command', at: '/y' })])
  const asked = plan(of, { commands: ['npx'] })
  expect(asked.hash).toBe(plan(of).hash)
  expect(asked.reports).not.toEqual(plan(of).reports)
  const unknowns = [{ name: 'state:db', schema: 19, known: 18, parts: [] }]
  expect(plan({ ...of, unknowns }).hash).not.toBe(plan(of).hash)
})

test('a plugin whose files stay behind is asked for on the target, and told when it is not there', () => {
  const of = manifest([], {
    plugins: [
      { id: 'p', path: '/home/al/.claw/plugins/p' },
      { id: 'from-npm', path: '/home/al/.claw/npm/node_modules/from-npm' },
    ],
  })
  const there = '/srv/bob/.claw/npm/node_modules/from-npm'
  const made = plan(of, { paths: [] })
  expect(wishOf(of, made).paths).toEqual([there])
  expect(told(made)).toEqual([['plugin-missing', 'from-npm']])
  expect(finding(made, 'plugins-missing')).toMatchObject({ weight: 'warning' })
  expect(told(plan(of, { paths: [there] }))).toEqual([])
  expect(told(plan(of))).toEqual([['path-unchecked', there]])
  expect(made.hash).toBe(plan(of).hash)
})

const there = (name: string, sha256?: Uint8Array) => ({
  path: `/srv/bob/.claw/plugins/${name}/modules`,
  by: `/srv/bob/.claw/plugins/${name}/package.json`,
  ...(sha256 && { sha256 }),
})

describe('dependencies of plugins, which no snapshot has,', () => {
  const declaration = new Uint8Array(32).fill(1)
  const of = manifest([], {
    entries: [
      entry('state', 'plugins/p', { kind: 'directory', section: 'plugins' }),
      entry('state', 'plugins/p/package.json', { section: 'plugins', sha256: declaration }),
      entry('state', 'plugins/q', { kind: 'directory', section: 'plugins' }),
    ],
    omissions: [
      { root: 'state', path: utf8('plugins/p/modules'), why: 'regenerable' },
      { root: 'state', path: utf8('plugins/q/modules'), why: 'regenerable' },
      { root: 'state', path: utf8('cache'), why: 'regenerable' },
    ],
    plugins: [{ id: 'the-p', path: '/home/al/.claw/plugins/p' }],
  })

  test('are told as left behind where the target has none', () => {
    const made = plan(of, {})
    expect(told(made)).toEqual([
      ['dependencies-left', 'the-p'],
      ['dependencies-left', 'q'],
    ])
    expect(finding(made, 'dependencies-left')).toMatchObject({
      weight: 'warning',
      facts: { count: 2, first: 'the-p' },
    })
  })

  test('stay where the target has them for what comes along, byte for byte', () => {
    const same = plan(of, {}, { remade: [there('p', declaration), there('q')] })
    expect(told(same)).toEqual([])
    const other = plan(of, {}, { remade: [there('p', new Uint8Array(32)), there('q')] })
    expect(told(other)).toEqual([['dependencies-left', 'the-p']])
    // The order is not bound to what the target happens to have.
    expect(same.hash).toBe(other.hash)
  })
})

const largeText = (path: string) => ({
  root: 'workspace:work',
  path: utf8(path),
  section: 'workspaces' as const,
  size: 3 * 1024 * 1024,
})

test('what was not looked through, and fields without a rule, are told and change nothing', () => {
  const of = manifest([], {
    entries: [...ENTRIES, entry('workspace:work', 'big.jsonl')],
    blind: {
      fields: [{ at: '/messages/usageTemplate', text: 'usage.json' }],
      texts: 3,
      first: [largeText('big.jsonl'), largeText('not-taken.log')],
    },
  })
  const made = plan(of)
  expect(made.reports.map(({ where, text: says, why }) => [why, where, says])).toEqual([
    ['field-unknown', 'configuration /messages/usageTemplate', 'usage.json'],
    ['text-unscanned', 'workspace:work:big.jsonl', '3 MB'],
    ['text-unscanned', 'and 1 more', ''],
  ])
  expect(finding(made, 'texts-unscanned')).toEqual({
    code: 'texts-unscanned',
    weight: 'notice',
    facts: { count: 2, first: 'workspace:work:big.jsonl' },
  })
  expect(finding(made, 'fields-unknown')).toMatchObject({ weight: 'warning' })
})

test('a wish opens for the node and the description that it is for', () => {
  const key = p.x25519Pair()
  const about = { node: 'b', nonce: p.random(32) }
  const wish = { paths: ['/home/al/secret-project'], commands: ['npx'], ports: [1] }
  const sealed = sealWish(p, key.public, about, wish)
  expect(openWish(p, key, about, sealed)).toEqual(wish)
  expect(() => openWish(p, key, { ...about, nonce: p.random(32) }, sealed)).toThrow(
    expect.objectContaining({ code: 'seal-broken' }),
  )
})

test('what is no port and no path of any system is not asked about, so that the wish can be read', () => {
  const key = p.x25519Pair()
  const about = { node: 'b', nonce: p.random(32) }
  const whole = manifest([
    mention('http://localhost:99999/v1', { kind: 'host' }),
    mention('http://127.0.0.1:0', { kind: 'host' }),
    mention('70000', { kind: 'port' }),
    mention('http://localhost:9999/v1', { kind: 'host' }),
    mention(`/opt/${'long/'.repeat(1000)}x`),
    mention('/opt/tool'),
  ])
  const wish = wishOf(whole, { kind: 'move', rules: [], port: { from: 28_910, to: 28_910 } })
  expect(openWish(p, key, about, sealWish(p, key.public, about, wish))).toEqual({
    paths: ['/opt/tool'],
    commands: [],
    ports: [9999],
  })
})
