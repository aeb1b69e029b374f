import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OPENCLAW_BIN } from '../../../../tests/support/openclaw.ts'
import { ownSchema, pathFieldsIn, placesBy } from './own-schema.ts'

const SCHEMA = {
  $defs: { place: { type: 'string', description: 'A file path.' } },
  type: 'object',
  properties: {
    workspace: { type: 'string', description: 'Directory path that our table knows.' },
    gateway: {
      type: 'object',
      properties: {
        route: { type: 'string', description: 'Route path served by the listener.' },
        usage: {
          anyOf: [{ type: 'object' }, { type: 'string' }],
          description: 'A JSON file path.',
        },
      },
    },
    hooks: {
      type: 'array',
      items: { properties: { module: { type: 'string', title: 'Relative module path' } } },
    },
    people: { additionalProperties: { properties: { avatar: { $ref: '#/$defs/place' } } } },
  },
}
const FIELDS = ['gateway.usage', 'hooks.0.module', 'people.*.avatar']

let dir: string
let bin: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ocm-schema-test-'))
  bin = path.join(dir, 'openclaw')
  program(SCHEMA)
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Notes each time that it is asked. */
function program(schema: unknown): void {
  const says = `a word before\n${JSON.stringify(schema)}`
  writeFileSync(
    bin,
    `#!${process.execPath}
require('node:fs').appendFileSync(${JSON.stringify(path.join(dir, 'asked'))}, process.argv.slice(2).join(' ') + ' in ' + process.env.HOME + '\\n')
process.stdout.write(${JSON.stringify(says)})`,
    { mode: 0o755 },
  )
}
const asked = () => readFileSync(path.join(dir, 'asked'), 'utf8').trim().split('\n')
const binary = (version = '1') => ({ path: bin, version, schemas: {} })
const schemaHere = () =>
  ownSchema(path.join(dir, 'agent'), (error) => expect.fail(String(error)), 0)

test('fields are places by what the schema says of them, where our own table has no meaning for them', () => {
  expect(pathFieldsIn(SCHEMA)).toEqual(FIELDS)
  expect(pathFieldsIn(undefined)).toEqual([])
})

test('OpenClaw is asked once, in the background and in a home of its own, and again when it is another one', async () => {
  const schema = schemaHere()
  expect(schema.fieldsOf(binary())).toBeNull()
  await schema.settled()
  expect(schema.fieldsOf(binary())).toEqual(FIELDS)
  // After a restart of the agent too.
  expect(schemaHere().fieldsOf(binary())).toEqual(FIELDS)
  expect(asked()).toEqual([expect.stringMatching(/^config schema in .*ocm-schema-/)])

  expect(schema.fieldsOf(binary('2'))).toBeNull()
  await schema.settled()
  expect(asked()).toHaveLength(2)
  expect(schema.fieldsOf(undefined)).toBeNull()
})

test('one that says that it has no schema is not asked again and again', async () => {
  writeFileSync(bin, `#!${process.execPath}\nprocess.exit(1)`, { mode: 0o755 })
  const schema = schemaHere()
  schema.fieldsOf(binary())
  await schema.settled()
  expect(schema.fieldsOf(binary())).toEqual([])
  expect(readFileSync(path.join(dir, 'agent/own-schema.json'), 'utf8')).toContain('"fields":[]')
})

test('one that a signal ends before it answers is not taken for one without fields', async () => {
  const note = `require('node:fs').appendFileSync(${JSON.stringify(path.join(dir, 'asked'))}, 'asked\\n')`
  writeFileSync(bin, `#!${process.execPath}\n${note}\nprocess.kill(process.pid, 'SIGKILL')`, {
    mode: 0o755,
  })
  const faults: unknown[] = []
  const schema = ownSchema(path.join(dir, 'agent'), (error) => faults.push(error), 0)
  schema.fieldsOf(binary())
  await schema.settled()
  expect(faults).toEqual([new Error('openclaw config schema: no answer (status null)')])
  expect(existsSync(path.join(dir, 'agent/own-schema.json'))).toBe(false)
  expect(schema.fieldsOf(binary())).toBeNull()
  await schema.settled()
  expect(asked()).toEqual(['asked'])
  // The next process of the agent.
  const next = ownSchema(path.join(dir, 'agent'), (error) => faults.push(error), 0)
  next.fieldsOf(binary())
  await next.settled()
  expect(asked()).toEqual(['asked', 'asked'])
})

test(
  'OpenClaw itself says of fields that our table has no meaning for that they are places',
  { timeout: 120_000 },
  async () => {
    const own = ownSchema(path.join(dir, 'agent'), (error) => expect.fail(String(error)), 0)
    const its = { path: path.join(OPENCLAW_BIN, 'openclaw'), version: 'real', schemas: {} }
    expect(own.fieldsOf(its)).toBeNull()
    await own.settled()
    expect(own.fieldsOf(its)).toContain('hooks.mappings.0.transform.module')
  },
)

test('what stands in such fields is told when it is a place', () => {
  const config = {
    workspace: '/home/al/work',
    gateway: { usage: 'templates/usage.json', route: '/hooks/x' },
    hooks: [{ module: 'a' }, { module: './transform.mjs' }],
    people: { ann: { avatar: 'https://example.org/a.png' }, bob: { avatar: '~/b.png' } },
  }
  expect(placesBy(FIELDS, config)).toEqual([
    { at: '/gateway/usage', text: 'templates/usage.json' },
    { at: '/hooks/1/module', text: './transform.mjs' },
    { at: '/people/bob/avatar', text: '~/b.png' },
  ])
  expect(placesBy([], config)).toEqual([])
})
