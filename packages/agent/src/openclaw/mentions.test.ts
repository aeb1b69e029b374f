import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Mention, pathFromBytes } from '@ocm/protocol'
import { examine } from './examine.ts'
import { type Node, captured, makeNode, sha, whereOf } from './staged.fixture.ts'

const mentionsOf = async (node: Node): Promise<readonly Mention[]> =>
  (await examine(captured(node), whereOf(node))).mentions
const shown = (mentions: readonly Mention[], more: Partial<Mention>) =>
  mentions
    .filter((m) => Object.entries(more).every(([key, value]) => m[key as keyof Mention] === value))
    .map((m) => `${pathFromBytes(m.path)} ${m.at} ${m.text}`)

test('that OpenClaw was not asked for fields of its own is told, and that it knows of none is not', async () => {
  const node = makeNode()
  const blindBy = async (fields: readonly string[] | null) =>
    (await examine(captured(node), whereOf(node), fields)).blind
  expect(await blindBy(null)).toEqual({ fields: [], unasked: true, texts: 0, first: [] })
  expect(await blindBy([])).toBeUndefined()
})

test('each place is told once, with the root that its path lies under', async () => {
  const node = makeNode()
  const H = node.home.home
  const mentions = await mentionsOf(node)
  const places = mentions.map((m) => `${m.kind} ${m.root} ${pathFromBytes(m.path)} ${m.at}`)
  expect(places.filter((place, i) => places.indexOf(place) !== i)).toEqual([])
  expect(mentions).toContainEqual({
    root: 'state',
    path: new TextEncoder().encode('openclaw.json'),
    at: '/agents/entries/work/workspace',
    section: 'personas',
    kind: 'path',
    class: 'structured',
    text: `${H}/work`,
    under: 'workspace:work',
    needed: true,
  })
  expect(shown(mentions, { class: 'structured', under: 'workspace:work' })).toEqual(
    expect.arrayContaining([
      `models.json5 /models/providers/mock/localService/cwd ${H}/work`,
      `.env WORK ${H}/work`,
      `absolute.sh link target ${H}/work/tool.sh`,
      `state/openclaw.sqlite cron_jobs.job_json ${H}/.openclaw/cron/jobs.json command /payload/argv/2 ls ${H}/work`,
      `state/openclaw.sqlite workspace_path_aliases.workspace_path ${sha(`${H}/work`)} ${H}/work`,
    ]),
  )
})

test('what people and models read is prose, what nobody declared is unknown', async () => {
  const node = makeNode()
  const H = node.home.home
  const mentions = await mentionsOf(node)
  expect(shown(mentions, { class: 'prose', section: 'cron' })).toEqual([
    `state/openclaw.sqlite cron_job_scratch.content ${H}/.openclaw/cron/jobs.json report last in ${H}/work`,
    `state/openclaw.sqlite cron_jobs.job_json ${H}/.openclaw/cron/jobs.json report /payload/message Write to ${H}/work/report.md`,
  ])
  expect(shown(mentions, { class: 'unknown' })).toEqual([
    `openclaw.json /plugins/entries/third/config/odd ${H}/odd`,
    `secrets.json line 1 ${H}/key.pem`,
    `state/openclaw.sqlite from_the_future.folder ${H}/work/future ${H}/work/future`,
    `state/openclaw.sqlite from_the_future.tree ${H}/work/future /deep/0/dir ${H}/work`,
    `state/openclaw.sqlite plugin_state_entries.value_json third dir /at ${H}/work`,
  ])
})

test('what was said in conversations is nobody’s business', async () => {
  const mentions = await mentionsOf(makeNode())
  expect(mentions.some((m) => m.at.startsWith('transcript_events'))).toBe(false)
  expect(mentions.some((m) => m.at.startsWith('notes_fts'))).toBe(false)
})

test('addresses of this machine and ports are told, and places under no root', async () => {
  const mentions = await mentionsOf(makeNode())
  expect(shown(mentions, { kind: 'port' })).toEqual([
    'openclaw.json /gateway/controlUi/allowedOrigins/0 http://127.0.0.1:28910',
    'openclaw.json /gateway/port 28910',
  ])
  expect(shown(mentions, { kind: 'host' })).toEqual([
    'models.json5 /models/providers/mock/baseUrl http://localhost:9999/v1',
  ])
  expect(shown(mentions, { kind: 'path', under: '' })).toEqual([
    'openclaw.json /mcp/servers/demo/command /usr/bin/env',
    'env link target /usr/bin/env',
  ])
  expect(shown(mentions, { kind: 'identity' })).toEqual([
    'openclaw.json /gateway/auth/token ',
    'state/openclaw.sqlite device_identities.device_id primary device-of-a',
  ])
})

test('no secret stands in a mention, not even one that looks like a path', async () => {
  const node = makeNode()
  writeFileSync(
    node.home.at('.openclaw/.env'),
    `A=token-in-env:${node.home.home}/work\nB=/abc/secret+like/path==\n`,
  )
  const all = (await mentionsOf(node)).map(({ text }) => text).join('\n')
  for (const secret of [
    'token-in-env',
    'secret+like',
    '/abc/def',
    'gateway-token',
    'bot-token',
    'sk-',
    'refresh-of',
    'PRIVATE',
  ]) {
    expect(all).not.toContain(secret)
  }
  expect(all).toContain(`${node.home.home}/work`)
})

test('a text that is full of paths does not fill the manifest', async () => {
  const node = makeNode()
  const line = `${'x'.repeat(5000)} ${node.home.home}/work ${'y'.repeat(5000)}`
  node.home.write('work/notes.md', `${line}\n`.repeat(50))
  const own = (await mentionsOf(node)).filter((m) => pathFromBytes(m.path) === 'notes.md')
  expect(own.map(({ at }) => at).slice(-2)).toEqual(['line 20', 'and 30 more'])
  expect(Math.max(...own.map(({ text }) => text.length))).toBeLessThan(500)
  expect(own[0]?.text).toContain(`${node.home.home}/work`)
})

test('history of the configuration stays on its machine and is not told', async () => {
  const node = makeNode()
  node.home.write('.openclaw/openclaw.json.bak', `{ workspace: '${node.home.home}/work' }`)
  expect((await mentionsOf(node)).some((m) => pathFromBytes(m.path).endsWith('.bak'))).toBe(false)
})
