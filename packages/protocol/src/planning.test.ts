import { describe, expect, test } from 'vitest'
import { utf8 } from './bytes.ts'
import { type Choices, defaultChoices } from './choices.ts'
import type { Layout } from './layout.ts'
import type { Entry, Holding, Manifest, Mention } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Plan } from './plan.ts'
import { layoutUnder, planApply, rewritePort } from './planning.ts'
import { nodePrimitives as p } from './primitives/node.ts'
import { rewriteText } from './rewrite.ts'

const GIB = 1024 ** 3

const layout = (more: Partial<Layout> & { roots: Layout['roots'] }): Layout => ({
  platform: 'linux',
  hostname: 'a',
  user: 'al',
  uid: 1000,
  port: 28_910,
  versions: {
    openclaw: '2026.9.6',
    schemas: { state: 18, agent: 23 },
    node: '24.21.0',
    agent: '0.1',
  },
  ...more,
})
const HERE = layout({
  roots: {
    home: '/home/al',
    state: '/home/al/.claw',
    'workspace:main': '/home/al/.claw/workspace',
    'workspace:work': '/home/al/work',
    'extra:models': '/opt/models',
  },
})
const THERE = layout({
  hostname: 'b',
  port: 0,
  roots: { home: '/srv/bob', state: '/srv/bob/.claw' },
})

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
const mention = (text: string, more: Partial<Mention> = {}): Mention => ({
  root: 'state',
  path: utf8('config.json'),
  at: '/x',
  section: 'gateway',
  kind: 'path',
  class: 'structured',
  text,
  under: 'home',
  ...more,
})
const holding = (
  what: string,
  travel: Holding['travel'],
  section: Holding['section'] = 'gateway',
) => ({
  what,
  travel,
  section,
  count: 3,
})
const manifest = (more: Partial<Manifest> = {}): Manifest => ({
  v: 1,
  layout: HERE,
  inventory: {
    personas: [],
    cron: [],
    authProfiles: [],
    plugins: [],
    skills: [],
    channels: [],
    pairings: 0,
    sessions: {},
  },
  config: {},
  holdings: [],
  warnings: [],
  startedAt: 0,
  entries: [entry('state', 'config.json')],
  omissions: [],
  mentions: [],
  ...more,
})
const facts = (more: Partial<TargetFacts> = {}): TargetFacts => ({
  layout: THERE,
  occupied: false,
  freeBytes: { home: 10 * GIB, state: 10 * GIB },
  gateway: { kind: 'user-unit', running: false },
  portsInUse: [],
  fenced: false,
  readOnlyConfig: false,
  trial: { isolated: true },
  ...more,
})
const FRESH = { source: 'a', target: 'b' }

function plan(
  wish: {
    manifest?: Partial<Manifest>
    facts?: Partial<TargetFacts>
    choices?: Partial<Choices>
    kind?: Choices['kind']
    between?: { source: string; target: string }
  } = {},
): Plan {
  const choices = { ...defaultChoices(wish.kind ?? 'move'), ...wish.choices }
  const between =
    wish.between ?? (choices.kind === 'restore' ? { source: 'a', target: 'a' } : FRESH)
  return planApply(p, manifest(wish.manifest), facts(wish.facts), choices, between)
}
const codes = (of: Plan, weight?: string) =>
  of.findings.filter((f) => weight === undefined || f.weight === weight).map(({ code }) => code)
const goesTo = (of: Plan, root: string) => of.roots.find((r) => r.root === root)?.to

const here = (openclaw: string, schemas = HERE.versions.schemas) => ({
  layout: { ...THERE, versions: { ...THERE.versions, openclaw, schemas } },
})
const fates = (of: Plan) => of.items.map(({ what, section, fate }) => `${section} ${what}: ${fate}`)
const factsOf = (of: Plan, code: string) => of.findings.find((f) => f.code === code)?.facts

test('that OpenClaw was not asked for its own fields is told, but for a restore that changes nothing', () => {
  const of = { manifest: { blind: { fields: [], unasked: true as const, texts: 0, first: [] } } }
  expect(codes(plan(of), 'notice')).toContain('schema-unasked')
  const back = { kind: 'restore', facts: { layout: HERE } } as const
  expect(codes(plan({ ...of, ...back }))).not.toContain('schema-unasked')
  expect(codes(plan())).not.toContain('schema-unasked')
})

describe('what keeps a node from being stopped', () => {
  test('forbids whatever is applied to it, and of parts only what ends its gateway', () => {
    const obstacles = ['gateway-ends-agent', 'state-mount-point'] as const
    const of = { facts: { obstacles: [...obstacles] } }
    for (const kind of ['restore', 'move', 'clone'] as const) {
      expect(codes(plan({ ...of, kind }), 'blocker')).toEqual(
        expect.arrayContaining([...obstacles]),
      )
    }
    const parts = plan({ ...of, kind: 'clone', choices: { only: { sections: ['skills'] } } })
    expect(codes(parts, 'blocker')).toContain('gateway-ends-agent')
    expect(codes(parts, 'blocker')).not.toContain('state-mount-point')
  })

  test('forbids a move away from it, and says that it is the source', () => {
    const choices = defaultChoices('move')
    const made = planApply(p, manifest(), facts(), choices, FRESH, ['gateway-not-allowed'])
    expect(factsOf(made, 'gateway-not-allowed')).toEqual({ who: 'source' })
    expect(codes(made, 'blocker')).toEqual(['gateway-not-allowed'])
  })
})

describe('where roots go', () => {
  test('to the same relative place of the root around them, unless nothing is around them', () => {
    const made = plan()
    expect(made.roots).toEqual([
      { root: 'home', from: '/home/al', to: '/srv/bob' },
      { root: 'state', from: '/home/al/.claw', to: '/srv/bob/.claw' },
      { root: 'extra:models', from: '/opt/models', to: '/opt/models' },
      { root: 'workspace:work', from: '/home/al/work', to: '/srv/bob/work' },
      { root: 'workspace:main', from: '/home/al/.claw/workspace', to: '/srv/bob/.claw/workspace' },
    ])
    expect(made.findings).toContainEqual({
      code: 'root-stays',
      weight: 'warning',
      facts: { root: 'extra:models', path: '/opt/models' },
    })
    expect(codes(made, 'blocker')).toEqual([])
  })

  test('of a clone never where its source on the same machine has its own', () => {
    const neighbour = { layout: { ...THERE, hostname: HERE.hostname } }
    const clone = plan({ kind: 'clone', facts: neighbour })
    expect(factsOf(clone, 'root-shared')).toEqual({ root: 'extra:models', path: '/opt/models' })
    expect(codes(clone, 'blocker')).toEqual(['root-shared'])
    const apart = { roots: { 'extra:models': '/opt/models-of-bob' } }
    expect(codes(plan({ kind: 'clone', facts: neighbour, choices: apart }), 'blocker')).toEqual([])
    expect(codes(plan({ kind: 'clone' }), 'blocker')).toEqual([])
  })

  test("to the target's own root of that name, and where an operator says above all", () => {
    const roots = { ...THERE.roots, 'workspace:work': '/data/work', 'extra:models': '/data/models' }
    const made = plan({
      facts: { layout: { ...THERE, roots } },
      choices: { roots: { 'extra:models': '/mnt/models' } },
    })
    expect(goesTo(made, 'workspace:work')).toBe('/data/work')
    expect(goesTo(made, 'extra:models')).toBe('/mnt/models')
    expect(codes(made)).not.toContain('root-stays')
  })

  test('a root inside a workspace goes along with it', () => {
    const roots = { ...HERE.roots, 'extra:tools': '/home/al/work/tools' }
    const made = plan({
      manifest: { layout: { ...HERE, roots } },
      choices: { roots: { 'workspace:work': '/data/w' } },
    })
    expect(goesTo(made, 'extra:tools')).toBe('/data/w/tools')
  })

  test('personas that share a workspace go on sharing it', () => {
    const roots = { ...HERE.roots, 'workspace:twin': '/home/al/work' }
    const together = plan({
      manifest: { layout: { ...HERE, roots } },
      choices: { roots: { 'workspace:twin': '/data/w' } },
    })
    expect(goesTo(together, 'workspace:work')).toBe('/data/w')
    const apart = plan({
      manifest: { layout: { ...HERE, roots } },
      choices: { roots: { 'workspace:twin': '/data/w', 'workspace:work': '/data/v' } },
    })
    expect(codes(apart, 'blocker')).toContain('roots-collide')
  })

  test('a restore puts everything back where the snapshot had it', () => {
    const moved = { ...HERE, roots: { ...HERE.roots, 'workspace:work': '/home/al/elsewhere' } }
    const made = plan({ kind: 'restore', facts: { layout: moved, occupied: true } })
    expect(goesTo(made, 'workspace:work')).toBe('/home/al/work')
    expect(made.rules.every(({ was, becomes }) => was === becomes)).toBe(true)
    expect(codes(made)).toEqual([])
  })

  test('a restore after the account got another home is rewritten', () => {
    const made = plan({ kind: 'restore', facts: { layout: { ...THERE, hostname: 'a' } } })
    expect(goesTo(made, 'workspace:work')).toBe('/srv/bob/work')
  })

  test.each([
    [{ 'workspace:work': 'relative' }, 'root-invalid'],
    [{ 'workspace:work': '/data/../etc' }, 'root-invalid'],
    [{ 'workspace:work': '/data/' }, 'root-invalid'],
    [{ 'workspace:work': '/' }, 'root-invalid'],
    [{ 'workspace:work': '/srv' }, 'root-invalid'],
    [{ 'workspace:none': '/data' }, 'root-invalid'],
    [{ state: '/data' }, 'root-fixed'],
    [{ home: '/Users/bob' }, 'root-fixed'],
    [{ 'workspace:work': '/srv/bob/.claw/workspace' }, 'roots-collide'],
    [{ 'workspace:work': '/srv/bob/.claw/agents' }, 'roots-collide'],
  ])('refuses %j', (roots, code) => {
    const entries = [entry('state', 'agents/main/x')]
    expect(codes(plan({ manifest: { entries }, choices: { roots } }), 'blocker')).toContain(code)
  })

  test('home and state may be chosen where the target has them anyway', () => {
    const made = plan({ choices: { roots: { home: '/srv/bob', state: '/srv/bob/.claw' } } })
    expect(codes(made, 'blocker')).toEqual([])
    const elsewhere = plan({ choices: { roots: { state: '/srv/bob/.claw-work' } } })
    expect(factsOf(elsewhere, 'root-fixed')).toEqual({
      root: 'state',
      path: '/srv/bob/.claw',
      wished: '/srv/bob/.claw-work',
    })
  })

  test('another home than the agent there serves is shown as a plan, and cannot be ordered', () => {
    const mentions = [mention('/home/al/work/run.sh'), mention('/home/al/.claw/x', { at: '/y' })]
    const made = plan({
      manifest: { mentions },
      facts: { layout: { ...THERE, roots: { ...THERE.roots, 'workspace:work': '/srv/bob/its' } } },
      choices: { roots: { home: '/Users/al' } },
    })
    expect(codes(made, 'blocker')).toEqual(['root-fixed'])
    expect(factsOf(made, 'root-fixed')).toEqual({
      root: 'home',
      path: '/srv/bob',
      wished: '/Users/al',
    })
    expect(goesTo(made, 'state')).toBe('/Users/al/.claw')
    expect(goesTo(made, 'workspace:work')).toBe('/Users/al/work')
    expect(made.edits.map(({ after }) => after)).toEqual([
      '/Users/al/work/run.sh',
      '/Users/al/.claw/x',
    ])
  })

  /** From home and state directory to home and state directory, with a text that names places of the source. */
  test.each([
    [
      'another user',
      ['/home/al', '/home/al/.claw'],
      ['/home/bob', '/home/bob/.claw'],
      'cd /home/al/work && ls ~/.claw /home/alice /home/al-2',
      'cd /home/bob/work && ls ~/.claw /home/alice /home/al-2',
    ],
    [
      'a profile to the default',
      ['/home/al', '/home/al/.claw-ops'],
      ['/home/al', '/home/al/.claw'],
      '/home/al/.claw-ops/x ~/.claw-ops/y /home/al/.claw-ops2',
      '/home/al/.claw/x ~/.claw/y /home/al/.claw-ops2',
    ],
    [
      'the default to a profile',
      ['/home/al', '/home/al/.claw'],
      ['/home/al', '/home/al/.claw-ops'],
      '/home/al/.claw/x ~/.claw/y /home/al/.claw-dev',
      '/home/al/.claw-ops/x ~/.claw-ops/y /home/al/.claw-dev',
    ],
    [
      'Linux to macOS',
      ['/home/al', '/home/al/.claw'],
      ['/Users/al', '/Users/al/.claw'],
      'file:///home/al/.claw/a%20b and --dir=/home/al/work',
      'file:///Users/al/.claw/a%20b and --dir=/Users/al/work',
    ],
    [
      'macOS to Linux, a name with a space',
      ['/Users/Al B', '/Users/Al B/.claw'],
      ['/home/al', '/home/al/.claw'],
      '"/Users/Al B/.claw" /Users/Al\\ B/work file:///Users/Al%20B/x',
      '"/home/al/.claw" /home/al/work file:///home/al/x',
    ],
    [
      'into a container',
      ['/home/al', '/home/al/.claw'],
      ['/home/node', '/home/node/.claw'],
      'PATH=/home/al/bin:/usr/bin',
      'PATH=/home/node/bin:/usr/bin',
    ],
    [
      'out of a container, run as root',
      ['/root', '/root/.claw'],
      ['/home/al', '/home/al/.claw'],
      '/root/.claw/x /rootless /mnt/root/y',
      '/home/al/.claw/x /rootless /mnt/root/y',
    ],
    [
      'a state directory that leaves the home',
      ['/home/al', '/home/al/.claw'],
      ['/home/al', '/data/claw'],
      '~/.claw/x ~/work /home/al/.claw',
      '/data/claw/x ~/work /data/claw',
    ],
    [
      'and one that comes into it',
      ['/home/al', '/data/claw'],
      ['/home/al', '/home/al/.claw'],
      '/data/claw/x /data/claws',
      '/home/al/.claw/x /data/claws',
    ],
  ] as const)('%s', (_, [home, state], [newHome, newState], before, after) => {
    const made = plan({
      manifest: { layout: { ...HERE, roots: { home, state, 'workspace:work': `${home}/work` } } },
      facts: { layout: { ...THERE, roots: { home: newHome, state: newState } } },
    })
    expect(codes(made, 'blocker')).toEqual([])
    expect(goesTo(made, 'workspace:work')).toBe(`${newHome}/work`)
    expect(rewriteText(before, made.rules)).toBe(after)
  })

  test('two workspaces may change places', () => {
    const roots = {
      'workspace:main': '/srv/bob/work',
      'workspace:work': '/srv/bob/.claw/workspace',
    }
    const made = plan({ choices: { roots } })
    expect(codes(made, 'blocker')).toEqual([])
    expect(rewriteText('/home/al/work /home/al/.claw/workspace', made.rules)).toBe(
      '/srv/bob/.claw/workspace /srv/bob/work',
    )
  })

  test('the layout under the plan has its roots and its port', () => {
    const made = plan()
    expect(layoutUnder(made, THERE)).toEqual({
      ...THERE,
      port: 28_910,
      roots: Object.fromEntries(made.roots.map(({ root, to }) => [root, to])),
    })
  })
})

describe('the port', () => {
  const own = { layout: { ...THERE, port: 28_920 } }

  test.each([
    ['is that of the source on a fresh target', {}, {}, 28_910],
    ['is that of an occupied target', { ...own, occupied: true }, {}, 28_920],
    ['is not taken from a target without state', own, {}, 28_910],
    ['is the chosen one above all', { ...own, occupied: true }, { port: 28_999 }, 28_999],
  ])('%s', (_, more, choices, expected) => {
    expect(plan({ facts: more, choices }).port).toEqual({ from: 28_910, to: expected })
  })

  test('a restore keeps that of the snapshot', () => {
    const now = { ...HERE, port: 28_920 }
    expect(plan({ kind: 'restore', facts: { layout: now, occupied: true } }).port.to).toBe(28_910)
  })

  test('one that another program listens on is a blocker', () => {
    expect(plan({ facts: { portsInUse: [28_910] } }).findings).toContainEqual({
      code: 'port-taken',
      weight: 'blocker',
      facts: { port: 28_910 },
    })
    expect(codes(plan({ facts: { portsInUse: [1234] } }))).not.toContain('port-taken')
  })

  test('replaces the old one only where it is a port', () => {
    const port = { from: 80, to: 90 }
    expect(rewritePort('80', port)).toBe('90')
    expect(rewritePort('http://h:80/80?a=:80', port)).toBe('http://h:90/80?a=:90')
    expect(rewritePort('http://h:8080', port)).toBe('http://h:8080')
  })
})

describe('versions', () => {
  test.each([
    ['2026.9.6', {}, []],
    ['2026.9.4', {}, ['openclaw-older']],
    ['2026.10.1', {}, ['openclaw-newer']],
    ['2027.1.0', { allowUpgrade: true }, []],
    ['2026.9.6-beta.1', {}, ['openclaw-older']],
    ['', {}, ['openclaw-missing']],
  ])('a target with %j, %j: %j', (version, choices, blockers) => {
    expect(codes(plan({ facts: here(version), choices }), 'blocker')).toEqual(blockers)
  })

  test.each([
    [{ state: 17, agent: 23 }, 'openclaw-older'],
    [{ state: 19, agent: 22 }, 'openclaw-older'],
    [{ state: 19, agent: 23 }, 'openclaw-newer'],
  ])('the same version with schemas %j is judged by them', (schemas, code) => {
    expect(codes(plan({ facts: here('2026.9.6', schemas) }), 'blocker')).toEqual([code])
  })

  test('an upgrade that was allowed is still a warning', () => {
    const made = plan({ facts: here('2026.9.7'), choices: { allowUpgrade: true } })
    expect(codes(made, 'warning')).toContain('openclaw-newer')
  })
})

describe('the disk', () => {
  const entries = [
    entry('state', 'db', { kind: 'database', size: GIB }),
    entry('workspace:work', 'big', { size: 2 * GIB }),
    entry('state', 'old', { size: 9 * GIB, travel: 'host' }),
  ]

  test('a database counts twice, what does not travel not at all', () => {
    const made = plan({
      manifest: { entries },
      facts: { freeBytes: { home: 4 * GIB, state: 4 * GIB } },
    })
    expect(made.bytes).toBe(3 * GIB)
    const full = made.findings.find(({ code }) => code === 'disk-full')
    expect(full).toMatchObject({ weight: 'blocker', facts: { freeBytes: 4 * GIB } })
    expect(full?.facts['needBytes']).toBeGreaterThan(4 * GIB)
  })

  test('roots on disks of their own are counted apart', () => {
    const roots = { ...THERE.roots, 'workspace:work': '/data/w' }
    const freeBytes = { home: 3 * GIB, state: 3 * GIB, 'workspace:work': 2.5 * GIB }
    const choices = { trial: false as const }
    const there = { layout: { ...THERE, roots }, freeBytes }
    const roomy = plan({ manifest: { entries }, facts: there, choices })
    expect(codes(roomy, 'blocker')).toEqual([])
    // What is tried is copied once more, all of it beside the state directory.
    expect(factsOf(plan({ manifest: { entries }, facts: there }), 'disk-full')).toMatchObject({
      root: 'home',
      freeBytes: 3 * GIB,
    })
    const tight = { ...freeBytes, 'workspace:work': 2 * GIB }
    const made = plan({
      manifest: { entries },
      facts: { layout: { ...THERE, roots }, freeBytes: tight },
      choices,
    })
    expect(made.findings.filter(({ code }) => code === 'disk-full')).toMatchObject([
      { facts: { root: 'workspace:work' } },
    ])
  })
})

describe('what becomes of things', () => {
  const things = {
    entries: [
      entry('state', 'config.json'),
      entry('state', 'config.json.bak', { travel: 'host' }),
      entry('state', 'credentials/x', { section: 'channels', travel: 'identity' }),
      entry('state', 'cache', { travel: 'never' }),
      entry('workspace:work', 'a b', { section: 'workspaces' }),
    ],
    holdings: [
      holding('cron jobs', 'always', 'cron'),
      holding('device identity', 'identity'),
      holding('gateway token', 'identity'),
      holding('messages not yet sent', 'never', 'channels'),
      holding('OAuth logins', 'identity', 'credentials'),
      holding('API keys and tokens', 'always', 'credentials'),
    ],
    mentions: [mention('/home/al/x')],
  }
  test('a move takes all but what belongs to the machine', () => {
    expect(fates(plan({ manifest: things }))).toEqual([
      'gateway files: left-behind',
      'gateway files: left-behind',
      'gateway files: rewritten',
      'workspaces files: kept',
      'channels files: kept',
      'cron cron jobs: rewritten',
      'gateway device identity: kept',
      'gateway gateway token: kept',
      'channels messages not yet sent: kept',
      'credentials OAuth logins: kept',
      'credentials API keys and tokens: kept',
    ])
  })

  test('a clone leaves who the node is behind, or makes it new, and its cron jobs sleep', () => {
    const clone = plan({ manifest: things, kind: 'clone' })
    expect(fates(clone)).toEqual([
      'gateway files: left-behind',
      'gateway files: left-behind',
      'gateway files: rewritten',
      'workspaces files: kept',
      'channels files: left-behind',
      'cron cron jobs: disabled',
      'gateway device identity: made-new',
      'gateway gateway token: made-new',
      'channels messages not yet sent: left-behind',
      'credentials OAuth logins: left-behind',
      'credentials API keys and tokens: left-behind',
    ])
    expect(codes(clone, 'notice')).toContain('api-keys-left')
    const choices = { cron: 'keep', gatewayToken: 'keep', apiKeys: 'keep' } as const
    const awake = plan({ manifest: things, kind: 'clone', choices })
    expect(fates(awake)).toContain('credentials API keys and tokens: kept')
    expect(codes(awake)).not.toContain('api-keys-left')
    expect(awake.hash).not.toBe(clone.hash)
    expect(fates(awake)).toContain('cron cron jobs: rewritten')
    expect(fates(awake)).toContain('gateway gateway token: kept')
  })

  test('a restore keeps all, host files too, and warns of keys that were used up since', () => {
    const made = plan({
      manifest: things,
      kind: 'restore',
      facts: { layout: HERE, occupied: true },
    })
    expect(made.items.filter(({ fate }) => fate !== 'kept')).toMatchObject([
      { why: 'made-anew' },
      { why: 'sent-since' },
    ])
    expect(codes(made)).toEqual(['channel-ratchets'])
    expect(made.edits).toEqual([])
  })

  test('a restore into another layout leaves files of the old one behind', () => {
    const made = plan({ manifest: things, kind: 'restore', facts: { layout: THERE } })
    expect(made.items).toContainEqual(
      expect.objectContaining({ fate: 'left-behind', why: 'of-this-machine' }),
    )
  })
})

describe('edits', () => {
  const mentions = [
    mention('/home/al/work/x', { at: '/workspace', under: 'workspace:work' }),
    mention('28910', { kind: 'port', at: '/port' }),
    mention('http://127.0.0.1:28910', { kind: 'port', at: '/origins/0' }),
    mention('see /home/al/x', { class: 'prose', path: utf8('notes.md'), at: 'line 3' }),
    mention('/home/al/y', { class: 'unknown', at: 't.c 1' }),
    mention('/usr/bin/chromium', { under: '' }),
    mention('http://localhost:9000/', { kind: 'host', under: '' }),
    mention('wss://a:1', { kind: 'host', under: '' }),
    mention('abc', { kind: 'identity', under: '' }),
    mention('/home/al/z', { path: utf8('config.json.bak') }),
  ]
  const entries = [
    entry('state', 'config.json'),
    entry('state', 'config.json.bak', { travel: 'host' }),
  ]
  const made = plan({
    manifest: { mentions, entries },
    facts: { layout: { ...THERE, port: 28_920 }, occupied: true },
  })

  test('show each place before and after, and leave prose unless it is chosen', () => {
    expect(
      made.edits.map(({ where, before, after, done }) => [where, before, after, done]),
    ).toEqual([
      ['state:config.json /workspace', '/home/al/work/x', '/srv/bob/work/x', true],
      ['state:config.json /port', '28910', '28920', true],
      ['state:config.json /origins/0', 'http://127.0.0.1:28910', 'http://127.0.0.1:28920', true],
      ['state:notes.md line 3', 'see /home/al/x', 'see /srv/bob/x', false],
      ['state:config.json t.c 1', '/home/al/y', '/srv/bob/y', true],
    ])
    const all = plan({ manifest: { mentions, entries }, choices: { prose: true } })
    expect(all.edits.every(({ done }) => done)).toBe(true)
    expect(codes(all)).not.toContain('prose-left')
  })

  test('report what no rule reaches', () => {
    expect(factsOf(made, 'paths-outside')).toEqual({ count: 1, first: '/usr/bin/chromium' })
    expect(factsOf(made, 'localhost-urls')).toEqual({ count: 1, first: 'http://localhost:9000/' })
    expect(factsOf(made, 'host-names')?.['count']).toBe(1)
    expect(factsOf(made, 'unknown-paths')?.['count']).toBe(1)
    expect(factsOf(made, 'prose-left')?.['count']).toBe(1)
  })
})

describe('findings', () => {
  test.each([
    ['snapshot-foreign', 'blocker', { kind: 'restore' as const, between: FRESH }],
    ['same-node', 'blocker', { between: { source: 'a', target: 'a' } }],
    ['config-read-only', 'blocker', { facts: { readOnlyConfig: true } }],
    ['target-fenced', 'warning', { facts: { fenced: true } }],
    ['target-occupied', 'warning', { facts: { occupied: true } }],
    ['trial-skipped', 'warning', { choices: { trial: false as const } }],
    ['trial-not-isolated', 'warning', { facts: { trial: { isolated: false } } }],
    [
      'gateway-not-managed',
      'notice',
      { facts: { gateway: { kind: 'none' as const, running: false } } },
    ],
    ['platform-differs', 'warning', { facts: { layout: { ...THERE, platform: 'darwin' } } }],
    ['inventory-missing', 'warning', { manifest: { inventory: null } }],
    ['capture-warnings', 'warning', { manifest: { warnings: [{ code: 'x', detail: '' }] } }],
    [
      'entries-unstable',
      'warning',
      { manifest: { entries: [entry('state', 'x', { unstable: true })] } },
    ],
    [
      'entries-unreadable',
      'warning',
      { manifest: { omissions: [{ root: 'home', path: utf8('x'), why: 'unreadable' as const }] } },
    ],
  ])('%s is a %s', (code, weight, wish) => {
    expect(codes(plan(wish), weight)).toContain(code)
    expect(codes(plan())).not.toContain(code)
  })

  test('blockers come first', () => {
    const made = plan({ facts: { fenced: true, readOnlyConfig: true, portsInUse: [28_910] } })
    const weights = made.findings.map(({ weight }) => weight)
    expect(weights).toEqual(weights.toSorted((a, b) => 'bwn'.indexOf(a[0]!) - 'bwn'.indexOf(b[0]!)))
  })
})

describe('the hash', () => {
  test('is not over whether a gateway without a manager happens to run', () => {
    const gateway = { kind: 'none' as const, running: false }
    const before = plan({ facts: { gateway } })
    expect(before.findings.map(({ code }) => code)).toContain('gateway-not-managed')
    const after = plan({ facts: { gateway: { kind: 'process', running: true } } })
    expect(after.hash).toBe(before.hash)
  })

  test('is not over how a quick look for a network of its own went', () => {
    const without = plan({ facts: { trial: { isolated: false } } })
    expect(codes(without, 'warning')).toContain('trial-not-isolated')
    expect(without.hash).toBe(plan().hash)
  })

  test('is the same for the same input, whatever the order of keys', () => {
    const roots = Object.fromEntries(Object.entries(HERE.roots).toReversed())
    expect(plan({ manifest: { layout: { ...HERE, roots } } }).hash).toBe(plan().hash)
    expect(plan().hash).toMatch(/^[0-9a-f]{64}$/)
  })

  test('does not change with contents, so that the last delta of a move fits', () => {
    const entries = [entry('state', 'config.json', { size: 5 }), entry('workspace:work', 'new')]
    expect(plan({ manifest: { entries, startedAt: 9 } }).hash).toBe(plan().hash)
    const two = { mentions: [mention('/home/al/x'), mention('/home/al/y', { at: '/y' })] }
    expect(plan({ manifest: two }).hash).toBe(plan().hash)
  })

  test.each([
    ['a choice', { choices: { prose: true } }],
    ['a rule', { choices: { roots: { 'workspace:work': '/data/w' } } }],
    ['the port', { facts: { occupied: true, layout: { ...THERE, port: 1 } } }],
    ['a class of findings', { facts: { fenced: true } }],
    ['the kind', { kind: 'clone' as const }],
  ])('changes with %s', (_, wish) => {
    expect(plan(wish).hash).not.toBe(plan().hash)
  })
})
