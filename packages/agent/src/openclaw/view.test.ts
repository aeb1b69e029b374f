import { expect, test } from 'vitest'
import { viewOf } from './view.ts'

const CONFIG = {
  gateway: { port: 1, auth: { mode: 'token', token: 'plain-secret-1' } },
  models: {
    providers: {
      x: {
        baseUrl: 'http://127.0.0.1:1/v1',
        apiKey: 'plain-secret-2',
        headers: { 'X-Team': 'plain-secret-3' },
      },
      y: { apiKey: '${Y_KEY}' },
    },
  },
  channels: {
    telegram: {
      botToken: '12345678:AAplainsecret4plainsecret4plainsecret4',
      allowFrom: ['tg:42'],
      tokenFile: '/home/a/token',
    },
  },
  env: {
    vars: { DATABASE_URL: 'postgres://u:plain-secret-5@db/x', ROOT: '/home/a/data', DEBUG: 'true' },
  },
  mcp: {
    servers: {
      s: {
        url: 'https://u:plain-secret-6@host/p?api_key=plain-secret-7&q=1',
        args: ['--token', 'plain-secret-8', '--key=plain-secret-9', '--root', '/home/a'],
      },
    },
  },
  plugins: { entries: { p: { config: { note: 'sk-plainsecret10plainsecret10' } } } },
}

test('no secret is in the view, wherever the configuration keeps it', () => {
  expect(JSON.stringify(viewOf(CONFIG))).not.toMatch(/plain-?secret/)
})

test('all that is no secret is in the view, names of variables and of files too', () => {
  expect(viewOf(CONFIG)).toEqual({
    gateway: { port: 1, auth: { mode: 'token', token: '•' } },
    models: {
      providers: {
        x: { baseUrl: 'http://127.0.0.1:1/v1', apiKey: '•', headers: { 'X-Team': '•' } },
        y: { apiKey: '${Y_KEY}' },
      },
    },
    channels: { telegram: { botToken: '•', allowFrom: ['tg:42'], tokenFile: '/home/a/token' } },
    env: { vars: { DATABASE_URL: '•', ROOT: '/home/a/data', DEBUG: 'true' } },
    mcp: {
      servers: {
        s: {
          url: 'https://•@host/p?api_key=•&q=1',
          args: ['--token', '•', '--key=•', '--root', '/home/a'],
        },
      },
    },
    plugins: { entries: { p: { config: { note: '•' } } } },
  })
})
