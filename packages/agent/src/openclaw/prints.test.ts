import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { captureOf } from './captured.fixture.ts'
import { type Home, makeHome, makeStateDatabase } from './home.fixture.ts'
import { createInstallation } from './installation.ts'

const fleet = (key: string) => ({
  id: key,
  print: (kind: string, value: string) =>
    new Uint8Array(createHash('sha256').update(`${key} ${kind} ${value}`).digest().subarray(0, 16)),
})
const printOf = (kind: string, value: string, key = 'k') => ({
  kind,
  print: Buffer.from(fleet(key).print(kind, value)).toString('hex'),
})

async function lookAt({ home, at }: Home, key: string | undefined, recall?: Uint8Array) {
  const installation = createInstallation({
    home,
    env: {},
    agentStateDir: at('agent'),
    openclawBin: '/nowhere/openclaw',
    now: () => 0,
  })
  const capture = await captureOf(await installation.survey(), recall)
  const findings = await installation.examine({
    ...capture,
    ...(key === undefined ? {} : { fleet: fleet(key) }),
  })
  const prints = findings.prints?.map(({ kind, print }) => ({
    kind,
    print: Buffer.from(print).toString('hex'),
  }))
  return { prints, findings, asked: capture.asked }
}

function speaker(): Home {
  const home = makeHome()
  home.write('token-of-b', '4444444444:from-a-file\n')
  home.write(
    '.openclaw/openclaw.json',
    JSON.stringify({
      channels: {
        telegram: {
          accounts: {
            a: { botToken: '1111111111:in-the-config' },
            b: { tokenFile: home.at('token-of-b') },
            c: { botToken: '${TOKEN_OF_C}' },
            off: { enabled: false, botToken: '9999999999:not-in-use' },
          },
        },
        discord: { enabled: false, token: 'not-in-use-either' },
        signal: { account: '+4912345' },
        slack: { botToken: { source: 'env', provider: 'default', id: 'OF_SLACK' }, appToken: 'x' },
      },
    }),
  )
  home.write(
    '.openclaw/.env',
    'MATRIX_ACCESS_TOKEN=2222222222\nTOKEN_OF_C="3333333333:c"\nOF_SLACK=xoxb-5555555\nOPENAI_API_KEY=sk-shared-by-all\n',
  )
  home.write(
    '.openclaw/credentials/whatsapp/default/creds.json',
    '{"me":{"id":"4912345:7@s.whatsapp.net"}}',
  )
  makeStateDatabase(home, "INSERT INTO device_identities VALUES ('primary', 'device-one', 'pem')")
  return home
}

describe('what only one node may go by', () => {
  test('is found where a channel that is on has it, in configuration, variables, files and databases', async () => {
    const { prints } = await lookAt(speaker(), 'k')
    const wanted = [
      printOf('bot-token', '1111111111:in-the-config'),
      printOf('bot-token', '2222222222'),
      printOf('bot-token', '3333333333:c'),
      printOf('bot-token', '4444444444:from-a-file'),
      printOf('bot-token', 'xoxb-5555555'),
      printOf('channel-account', 'signal:+4912345'),
      printOf('channel-account', 'whatsapp:4912345@s.whatsapp.net'),
      printOf('device-key', 'device-one'),
    ]
    const sorted = wanted.map((one) => JSON.stringify(one)).toSorted()
    expect(prints?.map((one) => JSON.stringify(one)).toSorted()).toEqual(sorted)
  })

  test('is not told without the key, and anew with another one', async () => {
    const home = speaker()
    const without = await lookAt(home, undefined)
    expect(without.prints).toBeUndefined()
    const first = await lookAt(home, 'k', without.findings.remember)
    const again = await lookAt(home, 'k', first.findings.remember)
    expect(again.prints).toEqual(first.prints)
    expect(again.asked).toEqual([])
    const other = await lookAt(home, 'another', first.findings.remember)
    expect(other.prints).toHaveLength(first.prints?.length ?? 0)
    expect(other.prints).not.toEqual(first.prints)
  })

  test('is not remembered in clear', async () => {
    const { findings } = await lookAt(speaker(), 'k')
    const kept = Buffer.from(findings.remember).toString('latin1')
    for (const secret of [
      'in-the-config',
      'from-a-file',
      '2222222222',
      '3333333333',
      'sk-shared',
    ]) {
      expect(kept).not.toContain(secret)
    }
  })
})

describe('what is compared', () => {
  test('names variables and never their values, what the machine writes, and jobs as people made them', async () => {
    const home = makeHome()
    home.write(
      '.openclaw/.env',
      'MATRIX_ACCESS_TOKEN=2222222222\nOPENAI_API_KEY=sk-shared-by-all\nOPENCLAW_PORT=1\nDIR=/srv/x\n',
    )
    home.write(
      '.openclaw/openclaw.json',
      JSON.stringify({
        models: { providers: { p: { apiKey: 'sk-of-the-config' } } },
        channels: { telegram: { botToken: '1111111111:in-the-config' } },
        gateway: { port: 1, bind: 'lan', auth: { token: 'long-enough' } },
        meta: { lastTouchedVersion: '1' },
      }),
    )
    const job = {
      id: 'j',
      name: 'daily',
      createdAtMs: 5,
      schedule: { kind: 'every', everyMs: 60_000, anchorMs: 7 },
      payload: { message: 'tidy up', env: { API_TOKEN: 'sk-aaaaaaaaaaaaaaaa' } },
      state: { nextRunAtMs: 9 },
    }
    makeStateDatabase(
      home,
      `INSERT INTO cron_jobs VALUES
         ('${home.state}/cron/jobs.json', 'j', NULL, 1, '${JSON.stringify(job)}'),
         ('${home.state}/cron/jobs.json', 'own', 'heartbeat:main', 1, '{"id":"own","name":"own"}')`,
    )
    const { findings } = await lookAt(home, 'k')
    const key = printOf('secret', 'sk-of-the-config').print.slice(0, 8)
    expect(findings.config).toMatchObject({
      models: { providers: { p: { apiKey: `•${key}` } } },
      channels: { telegram: { botToken: '•' } },
      gateway: { auth: { token: '•' } },
    })
    expect(findings.views).toEqual({
      machine: ['/meta', '/gateway/port', '/gateway/auth/token'],
      files: ['state:openclaw.json', 'state:cron/jobs.json', 'state:.env'],
      environment: {
        MATRIX_ACCESS_TOKEN: '•',
        OPENAI_API_KEY: `•${printOf('secret', 'sk-shared-by-all').print.slice(0, 8)}`,
        OPENCLAW_PORT: '•',
        DIR: '/srv/x',
      },
      cron: {
        j: {
          name: 'daily',
          schedule: { kind: 'every', everyMs: 60_000 },
          payload: { message: 'tidy up', env: { API_TOKEN: '•' } },
        },
      },
    })
  })
})
