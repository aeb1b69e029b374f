import { mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import type { PlacedPath } from '@ocm/protocol'
import { expect, test } from 'vitest'
import type { Survey } from '../installation.port.ts'
import { foundIn } from './captured.fixture.ts'
import {
  type Home,
  makeAgentDatabase,
  makeDatabase,
  makeHome,
  makeStateDatabase,
} from './home.fixture.ts'
import { createInstallation } from './installation.ts'

const installationIn = ({ home, at }: Home, env = {}, agentStateDir = at('agent')) =>
  createInstallation({ home, env, agentStateDir, openclawBin: '/nowhere/openclaw', now: () => 0 })
const survey = (home: Home, env = {}, agentStateDir?: string) =>
  installationIn(home, env, agentStateDir).survey()
/** A survey with what a walk finds. */
const separated = async (...of: Parameters<typeof survey>) => {
  const it = await survey(...of)
  return { ...it, ...it.separate(foundIn(it)) }
}
const codes = ({ warnings }: Survey) => warnings.map(({ code }) => code)
const at = (root: string, where: string): PlacedPath => ({ root, path: where })

test('personas, the state directory and what the configuration refers to are roots', async () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({
      agents: { entries: { main: {}, work: { workspace: '~/work' } }, ownership: 'explicit' },
      skills: { load: { extraDirs: [home.at('team')] } },
      mcp: {
        servers: {
          search: { command: 'node', args: [home.at('search/src/main.mjs'), home.at('data')] },
        },
      },
      secrets: { providers: { vault: { path: home.at('keys/vault.json') } } },
      logging: { file: home.at('logs/claw.log') },
    }),
  )
  for (const name of [
    'team/a/SKILL.md',
    'search/src/main.mjs',
    'search/package.json',
    'data/x',
    'keys/vault.json',
    'logs/claw.log',
    'work/MEMORY.md',
  ]) {
    home.write(name, '')
  }
  mkdirSync(home.at('.openclaw/workspace-main'))
  const { layout, trees } = await survey(home)
  expect(layout.roots).toEqual({
    home: home.home,
    state: home.state,
    'workspace:main': home.at('.openclaw/workspace-main'),
    'workspace:work': home.at('work'),
    'extra:skills-team': home.at('team'),
    'extra:mcp-search': home.at('search'),
    'extra:secrets-vault': home.at('keys/vault.json'),
  })
  const order = trees.map(({ root }) => root)
  expect(order).not.toContain('home')
  expect(order.indexOf('state')).toBeLessThan(order.indexOf('workspace:main'))
  expect(trees.find(({ root }) => root === 'extra:secrets-vault')?.kind).toBe('file')
})

test('neither the home, nor the system, nor what holds the state is taken for an extra', async () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({
      skills: { load: { extraDirs: ['~', '/', '/usr/share', home.at('.openclaw/..')] } },
      hooks: { transformsDir: home.at('agent') },
    }),
  )
  mkdirSync(home.at('agent'))
  const found = await survey(home)
  expect(Object.keys(found.layout.roots)).toEqual(['home', 'state', 'workspace:main'])
  expect(codes(found)).toEqual([
    'extra-left-out',
    'extra-left-out',
    'extra-left-out',
    'extra-left-out',
    'extra-left-out',
  ])
})

test('an extra that is somebody’s data is left out and said so', async () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({ memory: { search: { extraPaths: [home.at('all')] } } }),
  )
  mkdirSync(home.at('all'))
  // Sparse: takes no space.
  home.write('all/disk.img', '')
  truncateSync(home.at('all/disk.img'), 3 * 1024 ** 3)
  const found = await survey(home)
  expect(found.layout.roots).not.toHaveProperty('extra:memory-all')
  expect(codes(found)).toEqual(['extra-too-large'])
})

test('databases are listed by what they are; their side files are passed over', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  makeStateDatabase(home, '', true)
  makeAgentDatabase(home, 'main')
  makeDatabase(home.at('.openclaw/some-plugin/store'), 'CREATE TABLE t (x)')
  makeDatabase(home.at('.openclaw/workspace/quiet.db'), 'CREATE TABLE t (x)')
  makeDatabase(home.at('.openclaw/workspace/busy.db'), 'CREATE TABLE t (x)', true)
  makeDatabase(home.at('.openclaw/state/openclaw-quarantine.sqlite'), 'CREATE TABLE t (x)')
  home.write('.openclaw/some-plugin/notes.sqlite', 'not a database')
  const { classify, databases, others } = await separated(home)
  expect(
    databases.map(({ place, role }) => `${place.root}:${place.path} ${role}`).toSorted(),
  ).toEqual([
    'state:agents/main/agent/openclaw-agent.sqlite agent',
    'state:some-plugin/store plugin',
    'state:state/openclaw.sqlite state',
    'workspace:main:busy.db user',
  ])
  expect(databases.find(({ role }) => role === 'agent')?.persona).toBe('main')
  const names = others.map(({ place }) => place.path)
  expect(names).not.toContain('state/openclaw.sqlite-wal')
  expect(names).not.toContain('some-plugin/store')
  expect(classify(at('state', 'state/openclaw-quarantine.sqlite'), 'file')).toEqual({
    omit: 'regenerable',
  })
  expect(names).toEqual(expect.arrayContaining(['some-plugin/notes.sqlite', 'quiet.db']))
})

test('a survey leaves nothing beside the databases of a stopped gateway', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  makeStateDatabase(home)
  makeAgentDatabase(home, 'main')
  const before = readdirSync(home.state, { recursive: true })
  const installation = installationIn(home)
  await installation.survey().then((it) => it.separate(foundIn(it)))
  expect(await installation.inventory(await installation.layout())).not.toBeNull()
  expect(readdirSync(home.state, { recursive: true })).toEqual(before)
})

test('a damaged database is captured as the file it is, and said so', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  home.write('.openclaw/state/openclaw.sqlite', `SQLite format 3\0${'x'.repeat(5000)}`)
  const { databases, others, warnings } = await separated(home)
  expect(databases).toEqual([])
  expect(warnings.map(({ code }) => code)).toEqual(['database-unreadable'])
  expect(others.map(({ place }) => place.path)).toContain('state/openclaw.sqlite')
})

test('databases that OpenClaw has noted elsewhere come along, wherever they lie', async () => {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({ agents: { entries: { main: {}, far: { agentDir: home.at('far/agent') } } } }),
  )
  makeDatabase(home.at('far/agent/openclaw-agent.sqlite'), 'CREATE TABLE t (x)')
  makeDatabase(home.at('lone/old.sqlite'), 'CREATE TABLE t (x)')
  home.write('far/agent/openclaw-agent.sqlite.reindex-lock.sqlite', 'x')
  makeStateDatabase(
    home,
    `
    INSERT INTO agent_databases VALUES ('far', '${home.at('far/agent/openclaw-agent.sqlite')}');
    INSERT INTO agent_databases VALUES ('gone', 'agents/gone/agent/openclaw-agent.sqlite');
    INSERT INTO agent_databases VALUES ('lone', '${home.at('lone/old.sqlite')}');`,
  )
  const { layout, databases, classify } = await separated(home)
  expect(layout.roots).toMatchObject({
    'extra:persona-far': home.at('far/agent'),
    'extra:database-lone': home.at('lone/old.sqlite'),
  })
  expect(databases.map(({ place }) => place)).toEqual(
    expect.arrayContaining([
      at('extra:persona-far', 'openclaw-agent.sqlite'),
      at('extra:database-lone', ''),
    ]),
  )
  expect(
    classify(at('extra:persona-far', 'openclaw-agent.sqlite.reindex-lock.sqlite'), 'file'),
  ).toEqual({
    omit: 'regenerable',
  })
})

test('what looks regenerable in a workspace is the user’s and stays in', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  mkdirSync(home.at('.openclaw/workspace'))
  const { classify } = await survey(home)
  for (const name of [
    'keep.tmp',
    'app.pid',
    'node_modules',
    'cache',
    'logs/a.log',
    '.git/HEAD',
    'tmp',
  ]) {
    expect(classify(at('workspace:main', name), 'file')).toEqual({
      section: 'workspaces',
      class: 'bulk',
      travel: 'always',
      persona: 'main',
    })
  }
})

test('the agent’s own state never travels, even from inside a captured tree', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  makeDatabase(home.at('.openclaw/ocm/index.sqlite'), 'CREATE TABLE t (x)')
  const { databases, classify } = await separated(home, {}, home.at('.openclaw/ocm'))
  expect(classify(at('state', 'ocm'), 'directory')).toEqual({ skip: true })
  expect(classify(at('state', 'ocm/identity.json'), 'file')).toEqual({ skip: true })
  expect(classify(at('state', 'ocmx'), 'file')).toHaveProperty('section')
  expect(databases).toEqual([])
})

test('secrets are of the class of secrets wherever the configuration keeps them', async () => {
  const home = makeHome()
  home.write('.openclaw/keys/provider.json', '{}')
  home.write('.openclaw/parts/models.json5', '{}')
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({
      secrets: { providers: { p: { path: '~/.openclaw/keys/provider.json' } } },
      models: { $include: './parts/models.json5' },
    }),
  )
  const { classify } = await survey(home)
  expect(classify(at('state', 'keys/provider.json'), 'file')).toEqual({
    section: 'credentials',
    class: 'secret',
    travel: 'always',
  })
  expect(classify(at('state', 'parts/models.json5'), 'file')).toEqual({
    section: 'gateway',
    class: 'secret',
    travel: 'always',
  })
})

test('a home whose configuration is broken or missing is surveyed all the same', async () => {
  const home = makeHome()
  makeStateDatabase(home)
  mkdirSync(home.at('.openclaw/workspace'))
  const without = await survey(home)
  expect(codes(without)).toEqual(['config-invalid'])
  expect(without.separate(foundIn(without)).databases).toHaveLength(1)
  expect(without.layout.roots).toHaveProperty('workspace:main')
  home.write(
    '.openclaw/openclaw.json',
    `{ agents: { entries: { work: { workspace: '~/w' } } }, gateway: { port: 1`,
  )
  const broken = await survey(home)
  expect(codes(broken)).toEqual(['config-invalid'])
  expect(broken.layout.roots).toMatchObject({ 'workspace:work': home.at('w') })
})

test('where there is nothing yet, the layout has a home, a state directory and the usual port', async () => {
  const home = makeHome()
  const bare = {
    ...home,
    home: home.at('new'),
    at: (name: string) => path.join(home.at('new'), name),
  }
  const installation = installationIn(bare)
  const layout = await installation.layout()
  expect(layout).toMatchObject({
    roots: { home: home.at('new'), state: home.at('new/.openclaw') },
    port: 18789,
    versions: { openclaw: '', schemas: {} },
  })
  expect(Object.keys(layout.roots)).toHaveLength(2)
  expect(await installation.inventory(layout)).toBeNull()
  const facts = await installation.facts({ ports: [] })
  expect(facts).toMatchObject({
    occupied: false,
    fenced: false,
    readOnlyConfig: false,
    gateway: { running: false },
  })
  expect(facts.freeBytes['state']).toBeGreaterThan(0)
})

test('a workspace behind a link in the state directory is a root where it really lies', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  mkdirSync(home.at('disk/ws'), { recursive: true })
  symlinkSync(home.at('disk/ws'), home.at('.openclaw/workspace'))
  const { layout, classify } = await survey(home)
  expect(layout.roots['workspace:main']).toBe(home.at('disk/ws'))
  expect(classify(at('state', 'workspace'), 'link')).toHaveProperty('section')
})

test('facts tell a fence, a read-only configuration, an installation and a port in use', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  writeFileSync(`${home.state}.ocm-fenced.json`, '{}')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  // Not asked for by number: a plan is made for whatever port people choose.
  const facts = await installationIn(home, { OPENCLAW_NIX_MODE: '1' }).facts({ ports: [] })
  await new Promise((resolve) => server.close(resolve))
  expect(facts).toMatchObject({
    occupied: true,
    fenced: true,
    readOnlyConfig: true,
    portsInUse: expect.arrayContaining([port]),
  })
  expect((await installationIn(home).facts({ ports: [port] })).portsInUse).not.toContain(port)
})
