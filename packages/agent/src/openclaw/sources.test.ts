import { expect, test } from 'vitest'
import { REGENERABLE, sourceOf } from './sources.ts'

test.each([
  'cache/control-ui-assets/index.js',
  'npm/node_modules/x/package.json',
  'tmp/openclaw-0/gateway.state.lock',
  'logs/commands.log',
  'plugin-skills/canvas',
  'config-journal-fingerprint.key',
  'gateway.systemd.env',
  'service-env/gateway.env',
  'state/openclaw-quarantine.sqlite-wal',
  'agents/main/agent/openclaw-agent.sqlite.reindex-lock.sqlite',
  'extensions/demo/node_modules',
  'extensions/demo/packages/inner/node_modules/y',
  'browser/default/user-data/Cookies',
])('%s is made anew', (path) => expect(sourceOf(path)).toBe('regenerable'))

test.each([
  ['openclaw.json', 'gateway', 'secret', 'always'],
  ['openclaw.json.bak.3', 'gateway', 'secret', 'host'],
  ['openclaw.json.last-good', 'gateway', 'secret', 'host'],
  ['.env', 'environment', 'secret', 'always'],
  ['gateway/tls/key.pem', 'gateway', 'secret', 'host'],
  ['credentials/whatsapp/default/creds.json', 'channels', 'secret', 'identity'],
  ['matrix/accounts/a/crypto.db', 'channels', 'secret', 'identity'],
  ['hooks/mine/handler.js', 'plugins', 'state', 'always'],
  ['extensions/demo/index.js', 'plugins', 'state', 'always'],
  ['extensions/node_modules_of_mine/index.js', 'plugins', 'state', 'always'],
  ['skills/a/node_modules/b.js', 'skills', 'state', 'always'],
  ['media/inbound/photo.jpg', 'history', 'bulk', 'always'],
  ['state/openclaw.sqlite.pre-startup-migration-1.bak', 'history', 'bulk', 'host'],
  ['delivery-queue/1.json', 'channels', 'state', 'never'],
  ['cachet/not-a-cache', 'gateway', 'state', 'always'],
  ['some-plugin-of-tomorrow/state.json', 'gateway', 'state', 'always'],
])('%s is of %s, class %s, travels %s', (path, section, packClass, travel) =>
  expect(sourceOf(path)).toMatchObject({ section, class: packClass, travel }),
)

test('what lies with a persona is of that persona', () => {
  expect(sourceOf('agents/work/sessions/a.jsonl')).toEqual({
    section: 'history',
    class: 'bulk',
    travel: 'always',
    persona: 'work',
  })
  expect(sourceOf('agents/work/agent/codex-home/auth.json')).toMatchObject({
    travel: 'identity',
    persona: 'work',
  })
})

test('a new state directory takes over caches and the files of the service, no locks', () => {
  expect(REGENERABLE).toEqual(
    expect.arrayContaining(['cache', 'npm', 'logs', 'gateway.systemd.env']),
  )
  expect(REGENERABLE).not.toContain('tmp')
})
