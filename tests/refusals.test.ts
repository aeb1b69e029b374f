/**
 * What goes wrong in real life: each time a stable code, one sentence, the next step, and nothing changed. Real hub,
 * real agents, a small home without a gateway.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type Answer, joinAgent, operatorAt, startAgent, startHub } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

let ground: string
let fleet: Fleet
let ada: string
let snapshot: string
const PORT = 28_931

beforeAll(async () => {
  ground = freshMachine('refusals')
  fleet = await startFleet(ground)
  ada = smallHome(join(ground, 'home', 'ada'), PORT)
  await fleet.enrol('ada', ada, ground)
  const { snapshot: made } = await fleet.operator.json<{ snapshot: string }>('backup', 'ada')
  snapshot = made
})

afterAll(async () => {
  await fleet?.stop()
})

/** The error that `ocm … --json` answered with. */
async function refusal(...args: readonly string[]) {
  const answer = await fleet.operator.ocm(...args, '--json', '--yes')
  return errorOf(answer)
}

function errorOf(answer: Answer): { code: string; next: string; message: string; facts: object } {
  expect(answer.code).toBe(1)
  const error = JSON.parse(answer.out) as ReturnType<typeof errorOf>
  expect(error.message).toMatch(/^[A-Z].*\.$/)
  expect(error.next).toMatch(/^[A-Z].*\.$/)
  return error
}

/** What `ocm-agent` said when it refused: a sentence, the next step, the code. */
function agentRefusal(answer: Answer): string {
  expect(answer.code).toBe(1)
  const [sentence = '', next = ''] = answer.err.trim().split('\n').slice(-2)
  expect(sentence).toMatch(/\.$/)
  return /\[([a-z-]+)\]$/.exec(next)?.[1] ?? `no code in: ${answer.err}`
}

const ticket = async (...args: readonly string[]) =>
  (await fleet.operator.json<{ join: string }>('ticket', '--label', 'late', ...args)).join

const newPlace = (name: string, openclaw = OPENCLAW) => ({
  state: join(ground, `agent-${name}`),
  home: ada,
  openclaw,
})

describe('a ticket', () => {
  test('that has expired lets nobody in', async () => {
    const late = await ticket('--ttl', '1s')
    const expiresAt = performance.now() + 1100
    await until(() => performance.now() > expiresAt, { timeoutMs: 5000, what: 'it expires' })
    expect(agentRefusal(await joinAgent(newPlace('expired'), late))).toBe('ticket-expired')
  })

  test('lets one node in, once', async () => {
    const once = await ticket()
    expect(await joinAgent(newPlace('once'), once)).toMatchObject({ code: 0 })
    expect(agentRefusal(await joinAgent(newPlace('twice'), once))).toBe('ticket-used')
  })

  test('that was altered is noticed before anything is sent', async () => {
    const whole = await ticket()
    const at = whole.length - 20
    const altered = whole.slice(0, at) + (whole[at] === 'A' ? 'B' : 'A') + whole.slice(at + 1)
    expect(agentRefusal(await joinAgent(newPlace('altered'), altered))).toBe('ticket-altered')
  })

  test('is of no use to a machine without OpenClaw', async () => {
    const place = newPlace('bare', join(ground, 'no-such-openclaw'))
    expect(agentRefusal(await joinAgent(place, await ticket()))).toBe('openclaw-missing')
  })
})

describe('a hub', () => {
  test('with another key is told nothing', async () => {
    const place = newPlace('loyal')
    const other = await startHub(join(ground, 'other-hub'))
    const joined = await joinAgent(place, await ticket())
    expect(joined).toMatchObject({ code: 0 })
    // The same address, as far as the agent can tell: its enrolment now leads to the other hub.
    pointTo(place.state, fleet.hub.url, other.url)
    const agent = startAgent(place)
    await until(() => agent.output().includes('hub-key-changed'), {
      timeoutMs: 20_000,
      what: 'the agent refuses the other hub',
    })
    await agent.stop()
    await other.stop()
    expect(other.output()).not.toContain('"nodes"')
  })

  test('says so when its port is taken', async () => {
    const port = Number(new URL(fleet.hub.url).port)
    const failed = await startHub(join(ground, 'third-hub'), { port }).then(
      () => 'it started',
      (error: Error) => error.message,
    )
    expect(failed).toContain(`Port ${port} is in use.`)
    expect(failed).toContain('--port')
  })
})

const before = () => treeOf(ada)

describe('an apply', () => {
  test('needs the passphrase', async () => {
    const stranger = operatorAt(join(ground, 'operator'), fleet.hub.url)
    writeFileSync(join(ground, 'operator', 'passphrase'), 'not the one that was chosen here\n')
    const tree = before()
    const answer = await stranger.ocm('restore', 'ada', snapshot, '--json', '--yes')
    operatorAt(join(ground, 'operator'), fleet.hub.url)
    expect(errorOf(answer).code).toBe('passphrase-wrong')
    expect(before()).toEqual(tree)
  })

  test('of a snapshot of another node is no restore', async () => {
    const bea = smallHome(join(ground, 'home', 'bea'), PORT + 1)
    await fleet.enrol('bea', bea, ground)
    const tree = treeOf(bea)
    expect((await refusal('restore', 'bea', snapshot)).code).toBe('snapshot-foreign')
    expect(treeOf(bea)).toEqual(tree)
  })

  test.skipIf(process.getuid?.() !== 0)('checks the disk before the first byte', async () => {
    const tiny = join(ground, 'home', 'tiny')
    mkdirSync(tiny, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', tiny])
    try {
      const agent = await fleet.enrol('tiny', tiny, ground)
      writeFileSync(join(ada, '.openclaw', 'workspace', 'big.bin'), Buffer.alloc(300_000, 7))
      await fleet.operator.json('backup', 'ada')
      const tree = treeOf(tiny)
      const error = await refusal('clone', 'ada', 'tiny', '--port', String(PORT + 2))
      expect(error).toMatchObject({ code: 'plan-blocked', facts: { why: 'disk-full' } })
      expect(treeOf(tiny)).toEqual(tree)
      await agent.stop()
    } finally {
      execFileSync('umount', [tiny])
    }
  })

  test.each([
    ['older', '2026.7.1', 'openclaw-older'],
    ['newer', '2027.1.1', 'openclaw-newer'],
  ])('tells that the OpenClaw of the target is %s', async (name, version, code) => {
    const home = join(ground, 'home', name)
    mkdirSync(home, { recursive: true })
    const agent = await fleet.enrol(name, home, ground, openclawOf(version))
    const error = await refusal('clone', 'ada', name, '--port', String(PORT + 3))
    expect(error).toMatchObject({ code: 'plan-blocked', facts: { why: code } })
    expect(readdirSync(home)).toEqual([])
    await agent.stop()
  })

  test.each([
    ['contents, which the node finds', ['secret', 'state', 'bulk']],
    ['the manifest, which the operator finds', ['tree']],
  ])('of a damaged pack of %s changes nothing', async (_, classes) => {
    const tree = before()
    damagePacks(classes)
    expect((await refusal('restore', 'ada', snapshot)).code).toBe('pack-damaged')
    expect(before()).toEqual(tree)
  })
})

/** Flips a bit in the middle of the sealed segments; header and footer stay as they are. */
function damagePacks(classes: readonly string[]): void {
  const catalog = new DatabaseSync(join(fleet.hub.data, 'catalog.sqlite'), { readOnly: true })
  const packs = catalog.prepare('select id, class from packs').all()
  catalog.close()
  for (const { id, class: of } of packs) {
    if (!classes.includes(String(of))) continue
    const path = join(fleet.hub.data, 'packs', String(id).slice(0, 2), String(id))
    const bytes = readFileSync(path)
    const middle = Math.floor(bytes.length / 2)
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    writeFileSync(path, bytes)
  }
}

/** An OpenClaw that says of itself that it has another version; nothing of it is run before the plan is refused. */
function openclawOf(version: string): string {
  const copy = join(ground, `openclaw-${version}`)
  mkdirSync(copy)
  const original = dirname(OPENCLAW)
  const about = JSON.parse(readFileSync(join(original, 'package.json'), 'utf8')) as object
  writeFileSync(join(copy, 'package.json'), JSON.stringify({ ...about, version }))
  cpSync(OPENCLAW, join(copy, 'openclaw.mjs'))
  symlinkSync(join(original, 'dist'), join(copy, 'dist'))
  return join(copy, 'openclaw.mjs')
}

/** Two addresses of equal length, one in the other's place. */
function pointTo(state: string, was: string, becomes: string): void {
  const path = join(state, 'enrolment')
  const bytes = readFileSync(path)
  expect(was.length).toBe(becomes.length)
  writeFileSync(path, Buffer.from(bytes.toString('latin1').replace(was, becomes), 'latin1'), {
    mode: 0o600,
  })
}
