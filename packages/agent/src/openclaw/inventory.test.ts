import { expect, test } from 'vitest'
import { captureOf } from './captured.fixture.ts'
import { type Home, makeAgentDatabase, makeHome, makeStateDatabase } from './home.fixture.ts'
import { createInstallation } from './installation.ts'

const installationIn = ({ home, at }: Home) =>
  createInstallation({
    home,
    env: {},
    agentStateDir: at('agent'),
    openclawBin: '/nowhere/openclaw',
    now: () => 0,
  })

async function inventoriesOf(home: Home) {
  const installation = installationIn(home)
  const findings = await installation.examine(await captureOf(await installation.survey()))
  return { live: await installation.inventory(await installation.layout()), findings }
}

const job = (id: string, more: object = {}) =>
  JSON.stringify({
    id,
    name: `job ${id}`,
    schedule: { kind: 'cron', expr: '0 8 * * *', tz: 'UTC' },
    ...more,
  })

function populated(): Home {
  const home = makeHome()
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({
      agents: {
        ownership: 'explicit',
        defaults: { systemAgent: { agentId: 'main' } },
        entries: { work: { workspace: '~/work' }, main: {} },
      },
      channels: {
        telegram: { accounts: { b: {}, a: {} } },
        signal: { account: '+1' },
        defaults: {},
      },
      skills: { load: { extraDirs: [home.at('team')] } },
      gateway: { auth: { token: 'tok-1234567890' } },
    }),
  )
  home.write('.openclaw/.env', 'TELEGRAM_BOT_TOKEN=1:a\n# SLACK_BOT_TOKEN=no\nPLAIN=x\n')
  home.write('.openclaw/credentials/whatsapp/default/creds.json', '{}')
  home.write('.openclaw/skills/everybodys/SKILL.md', '---\nname: shared-skill\n---\n')
  home.write('.openclaw/workspace-main/AGENTS.md', '')
  home.write('work/skills/group/inner/SKILL.md', 'no header')
  home.write('work/skills/group/inner/parts/SKILL.md', '---\nname: part of a skill\n---\n')
  home.write('team/one/SKILL.md', '---\r\ndescription: d\r\nname: "team-skill"\r\n---\r\n')
  home.write('.openclaw/extensions/found/openclaw.plugin.json', '{ "id": "found-plugin" }')
  const store = `${home.state}/cron/jobs.json`
  makeStateDatabase(
    home,
    `INSERT INTO cron_jobs VALUES
       ('${store}', 'z', NULL, 1, '${job('z', { agentId: 'work' })}'),
       ('${store}', 'b', NULL, 0, '${job('b', { schedule: { kind: 'every', everyMs: 60000 } })}'),
       ('${store}', 'h', 'heartbeat:main', 1, '${job('h', { schedule: { kind: 'at', at: '2031-01-01T00:00:00.000Z' } })}'),
       ('/home/of/before/cron/jobs.json', 'lost', NULL, 1, '${job('lost')}');
     INSERT INTO config_machine_state VALUES
       ('authProfiles.store', '{"profiles":{"openai:manual":{"type":"api_key"},"google:me":{"type":"oauth"}}}'),
       ('plugins.installedIndex', '{"index":{"installRecords":{"recorded-plugin":{"installPath":"${home.state}/extensions/recorded-plugin"}}}}');
     INSERT INTO device_identities VALUES ('primary', 'd1', 'pem');
     INSERT INTO device_pairing_paired VALUES ('phone'), ('laptop');
     INSERT INTO channel_pairing_allow_entries VALUES ('telegram', '42');
     INSERT INTO secret_store_entries VALUES ('a', 'v', NULL), ('b', 'v', 17);
     INSERT INTO diagnostic_events VALUES ('{}');`,
    true,
  )
  makeAgentDatabase(
    home,
    'work',
    `INSERT INTO session_nodes VALUES ('agent:work:main', 'session-2'), ('agent:work:x', 'session-1');
     INSERT INTO auth_profile_store VALUES ('primary', '{"profiles":{"anthropic:work":{"type":"token"}}}');`,
  )
  return home
}

test('what OpenClaw lists, in a fixed order', async () => {
  const { live } = await inventoriesOf(populated())
  expect(live).toEqual({
    personas: ['main', 'work'],
    cron: [
      {
        id: 'b',
        name: 'job b',
        user: true,
        enabled: false,
        persona: 'main',
        schedule: 'every 60000 ms',
      },
      {
        id: 'h',
        name: 'job h',
        user: false,
        enabled: true,
        persona: 'main',
        schedule: 'at 2031-01-01T00:00:00.000Z',
      },
      {
        id: 'z',
        name: 'job z',
        user: true,
        enabled: true,
        persona: 'work',
        schedule: 'cron 0 8 * * * UTC',
      },
    ],
    authProfiles: ['google:me', 'openai:manual', 'work/anthropic:work'],
    plugins: ['found-plugin', 'recorded-plugin'],
    skills: ['shared-skill', 'team-skill', 'work/inner'],
    channels: ['signal', 'telegram/a', 'telegram/b'],
    pairings: 3,
    sessions: { work: ['session-1', 'session-2'] },
  })
})

test('a capture lists the same as the live state it was made of', async () => {
  const { live, findings } = await inventoriesOf(populated())
  expect(findings.inventory).toEqual(live)
})

test('cron jobs filed under another state directory are not listed, and said to be unreachable', async () => {
  const { findings } = await inventoriesOf(populated())
  expect(findings.warnings.map(({ code }) => code)).toContain('cron-unreachable')
})

test('holdings are counted by kind, and those of one node alone do not go into a clone', async () => {
  const { findings } = await inventoriesOf(populated())
  const counted = Object.fromEntries(
    findings.holdings.map((one) => [one.what, [one.count, one.travel]]),
  )
  expect(counted).toMatchObject({
    'cron jobs': [2, 'always'],
    'gateway token': [1, 'identity'],
    'API keys and tokens': [2, 'always'],
    'OAuth logins': [1, 'identity'],
    'stored secrets': [1, 'always'],
    'device identity': [1, 'identity'],
    'paired devices': [2, 'identity'],
    'channel credentials': [1, 'identity'],
    'bot tokens': [1, 'identity'],
    conversations: [2, 'always'],
  })
})

test('an installation of the time before databases is listed from its files', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', JSON.stringify({ agents: { list: [{ id: 'main' }] } }))
  home.write(
    '.openclaw/cron/jobs.json',
    JSON.stringify({
      version: 1,
      jobs: [{ id: 'j', name: 'n', enabled: true, schedule: { kind: 'every', everyMs: 5 } }],
    }),
  )
  home.write(
    '.openclaw/agents/main/sessions/sessions.json',
    JSON.stringify({ 'agent:main:main': { sessionId: 's' } }),
  )
  home.write(
    '.openclaw/agents/main/agent/auth-profiles.json',
    JSON.stringify({ profiles: { 'openai:x': { type: 'api_key' } } }),
  )
  const { live, findings } = await inventoriesOf(home)
  expect(live).toMatchObject({
    personas: ['main'],
    cron: [{ id: 'j', user: true, persona: 'main' }],
    authProfiles: ['main/openai:x'],
    sessions: { main: ['s'] },
  })
  expect(findings.inventory).toEqual(live)
})

test('tables of another version cost what they would have told, and say so', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  home.write('.openclaw/workspace/MEMORY.md', '')
  makeStateDatabase(home, 'ALTER TABLE cron_jobs RENAME COLUMN job_json TO definition;')
  makeAgentDatabase(home, 'main', "INSERT INTO session_nodes VALUES ('k', 's');")
  const { findings } = await inventoriesOf(home)
  expect(findings.inventory).toMatchObject({ cron: [], sessions: { main: ['s'] } })
  expect(findings.warnings).toEqual([expect.objectContaining({ code: 'inventory-partial' })])
})

test('a persona whose workspace is gone is told of', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  const { findings } = await inventoriesOf(home)
  expect(findings.warnings).toEqual([
    { code: 'workspace-missing', detail: home.at('.openclaw/workspace') },
  ])
})
