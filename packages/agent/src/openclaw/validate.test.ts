import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Layout, defaultChoices } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Staged } from '../installation.port.ts'
import { validateStaged } from './validate.ts'

let dir = ''
let stage = ''
let bin = ''
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ocm-validate-'))
  stage = path.join(dir, 'state.ocm-stage-1')
  for (const folder of ['state', 'agents/work/agent', 'workspace']) {
    mkdirSync(path.join(stage, folder), { recursive: true })
  }
  writeFileSync(path.join(stage, 'openclaw.json'), `{"$include": "${dir}/state/models.json5"}`)
  writeFileSync(path.join(stage, 'models.json5'), '{}')
  writeFileSync(path.join(stage, 'state/openclaw.sqlite'), 'SQLite')
  writeFileSync(path.join(stage, 'agents/work/agent/openclaw-agent.sqlite'), 'SQLite')
  writeFileSync(path.join(stage, 'workspace/large.bin'), 'x')
  bin = path.join(dir, 'openclaw')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const layout = (version: string): Layout => ({
  platform: 'linux',
  hostname: 'h',
  user: 'u',
  uid: 0,
  roots: { home: dir, state: path.join(dir, 'state') },
  port: 1,
  versions: { openclaw: version, schemas: {}, node: '', agent: '' },
})

const file = (inside: string, kind: 'file' | 'database', section: 'gateway' | 'workspaces') => ({
  absolute: path.join(dir, 'state', inside),
  kind,
  section,
})

function staged(theirs = '2026.9.6', allowUpgrade = false): Staged {
  const to = layout('2026.9.6')
  return {
    from: layout(theirs),
    to,
    at: (absolute) => absolute.replace(path.join(dir, 'state'), stage),
    files: [
      file('openclaw.json', 'file', 'gateway'),
      file('models.json5', 'file', 'gateway'),
      file('state/openclaw.sqlite', 'database', 'gateway'),
      file('agents/work/agent/openclaw-agent.sqlite', 'database', 'gateway'),
      file('workspace/large.bin', 'file', 'workspaces'),
    ],
    rules: [],
    choices: { ...defaultChoices('restore'), allowUpgrade },
    port: 1,
  }
}

/** A command that notes how it was called, writes where it looks, and answers what it is told to. */
function answering(
  config: string,
  database = '{"foundVersion":18,"targetVersion":18,"status":"exact"}',
) {
  const script = `#!/bin/sh
echo "$* state=$OPENCLAW_STATE_DIR" >> ${dir}/calls
echo touched >> "$OPENCLAW_STATE_DIR/openclaw.json"
case "$1" in
  config) ls "$OPENCLAW_STATE_DIR" >> ${dir}/calls; grep -o '/[^"]*models' "$OPENCLAW_CONFIG_PATH" >> ${dir}/calls; ${config} ;;
  database) echo '${database}'; exit 0 ;;
esac
`
  writeFileSync(bin, script, { mode: 0o755 })
}
const calls = () => readFileSync(path.join(dir, 'calls'), 'utf8')

test('shows OpenClaw a copy without workspaces, and leaves nothing of it and nothing changed', async () => {
  answering('exit 0')
  const before = readFileSync(path.join(stage, 'openclaw.json'), 'utf8')
  await validateStaged(staged(), bin)
  expect(readFileSync(path.join(stage, 'openclaw.json'), 'utf8')).toBe(before)
  const copy = `${stage}-check`
  expect(calls()).toContain(`config validate --json state=${copy}`)
  expect(calls()).toContain(`${copy}/models`)
  expect(calls()).not.toContain('workspace')
  expect(calls()).toContain(`database preflight ${copy}/state/openclaw.sqlite --json`)
  expect(calls()).toContain('--agent-id work --json')
  expect(() => readFileSync(copy)).toThrow(/ENOENT/)
})

test('a configuration that OpenClaw refuses is unhealthy, with what it said as the cause', async () => {
  answering('echo not-a-key; exit 1')
  await expect(validateStaged(staged(), bin)).rejects.toMatchObject({
    code: 'openclaw-unhealthy',
    facts: { step: 'config' },
    cause: { message: expect.stringContaining('not-a-key') },
  })
})

test('a configuration of a newer OpenClaw is refused as such', async () => {
  answering('exit 1')
  await expect(validateStaged(staged('2026.10.1'), bin)).rejects.toMatchObject({
    code: 'openclaw-older',
    facts: { here: '2026.9.6', theirs: '2026.10.1' },
  })
})

test('a configuration of an older OpenClaw passes when the upgrade was allowed, and only then', async () => {
  answering('exit 1')
  await validateStaged(staged('2026.7.1', true), bin)
  await expect(validateStaged(staged('2026.7.1'), bin)).rejects.toMatchObject({
    code: 'openclaw-unhealthy',
  })
})

test('a database with a newer schema is refused', async () => {
  answering('exit 0', '{"foundVersion":99,"targetVersion":18,"status":"incompatible"}')
  await expect(validateStaged(staged(), bin)).rejects.toMatchObject({
    code: 'openclaw-older',
    facts: { found: 99, target: 18 },
  })
})

test('a persona whose directory lies elsewhere is asked about too, by its id', async () => {
  answering('exit 0')
  const directory = path.join(dir, 'elsewhere')
  mkdirSync(directory)
  writeFileSync(path.join(directory, 'openclaw-agent.sqlite'), 'SQLite')
  const of = staged()
  const roots = { ...of.to.roots, 'extra:persona-ops': directory }
  const absolute = path.join(directory, 'openclaw-agent.sqlite')
  const files = [...of.files, { absolute, kind: 'database' as const, section: 'history' as const }]
  expect(await validateStaged({ ...of, to: { ...of.to, roots }, files }, bin)).toEqual([])
  expect(calls()).toContain('--agent-id work --json')
  expect(calls()).toMatch(/preflight-agent \S+ --agent-id ops --json/)
})

test('a database that is too large to be copied once more is not asked about, and told', async () => {
  answering('exit 0')
  truncateSync(path.join(stage, 'agents/work/agent/openclaw-agent.sqlite'), 600 * 1024 * 1024)
  expect(await validateStaged(staged(), bin)).toEqual([
    `${path.join(dir, 'state/agents/work/agent/openclaw-agent.sqlite')} (600 MB)`,
  ])
  expect(calls()).not.toContain('--agent-id work')
})

test('without OpenClaw nothing is validated', async () => {
  await expect(validateStaged(staged(), null)).rejects.toMatchObject({ code: 'openclaw-missing' })
  await expect(validateStaged(staged(), path.join(dir, 'none'))).rejects.toMatchObject({
    code: 'openclaw-missing',
  })
})
