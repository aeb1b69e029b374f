/**
 * What goes wrong in a move where nothing is killed: each time both trees are as before, the source speaks, and people
 * are told by a code. Real hub, agents and `ocm`; gateways that stand in for OpenClaw.
 */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { movedHome } from './support/moves/moved-home.ts'
import { seatAt } from './support/moves/lists.ts'
import { runGateway, stopGateway } from './support/moves/row.ts'
import { type StandIn, standIn } from './support/moves/stand-in.ts'
import { isReady } from './support/openclaw.ts'
import type { Under } from './support/programs.ts'
import { freePort } from './support/free-port.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-faults-')))
let fleet: Fleet
let port: number
const ada = join(ground, 'ada')
const source = seatAt(ada)

beforeAll(async () => {
  fleet = await startFleet(ground)
  port = await freePort()
  movedHome(ada, port, 'http://127.0.0.1:9')
  await fleet.enrol('ada', ada, ground, standIn(join(ground, 'well')))
  await runGateway(standIn(join(ground, 'well')), source, port)
})
afterAll(async () => {
  await stopGateway(source)
  await fleet?.stop()
  rmSync(ground, { recursive: true, force: true })
})

/** Without what a running gateway writes. */
const treeIn = (home: string) =>
  treeOf(home, { without: (name) => /\/(?:tmp|logs)$|-(?:wal|shm)$/.test(name) })

const ownNode = (home: string, to: number) => void movedHome(home, to, 'http://127.0.0.1:9')

interface Place {
  readonly fault?: StandIn['fault']
  readonly under?: Under
  /** Done to its home before it joins. */
  readonly lay?: (home: string, port: number) => void
}

/** Moves to a new node of that kind. @returns the error; both trees and who speaks are looked at */
async function failedMove(name: string, place: Place): Promise<{ code: string; facts: object }> {
  const home = join(ground, name)
  mkdirSync(home)
  const to = await freePort()
  place.lay?.(home, to)
  const fault = place.fault === undefined ? {} : { fault: place.fault }
  const program = standIn(join(ground, `openclaw-of-${name}`), fault)
  const agent = await fleet.enrol(name, home, join(ground, `of-${name}`), program, place.under)
  const [was, wasThere] = [treeIn(ada), treeIn(home)]
  const answer = await fleet.operator.ocm(
    'move',
    'ada',
    name,
    '--port',
    String(to),
    '--json',
    '--yes',
  )
  expect(answer.code).toBe(1)
  await until(() => isReady(port), { timeoutMs: 30_000, what: 'the source speaks' })
  expect(await isReady(to)).toBe(false)
  expect(treeIn(ada)).toEqual(was)
  expect(treeIn(home)).toEqual(wasThere)
  await agent.stop()
  return JSON.parse(answer.out) as { code: string; facts: object }
}

test('a gateway that ends at once on the target: both are as before', async () => {
  const { code } = await failedMove('ends', { fault: 'ends-at-once' })
  expect(['openclaw-unhealthy', 'trial-failed']).toContain(code)
})

test('a target with a node of its own has that again', async () => {
  const { code } = await failedMove('own', { fault: 'ends-at-once', lay: ownNode })
  expect(['openclaw-unhealthy', 'trial-failed']).toContain(code)
})

test('a configuration that may not be written is refused before anything stops', async () => {
  const under = { env: { OPENCLAW_CONFIG_READONLY: '1' } }
  const error = await failedMove('fixed', { under })
  expect(error).toMatchObject({ code: 'plan-blocked', facts: { why: 'config-read-only' } })
})

test.skipIf(process.getuid?.() !== 0)('a home that may not be written to is refused', async () => {
  const account = { uid: 65_534, gid: 65_534 }
  const state = join(ground, 'of-strange')
  mkdirSync(state)
  chownSync(state, account.uid, account.gid)
  chmodSync(ground, 0o755)
  const error = await failedMove('strange', { under: { account } })
  expect(error).toMatchObject({ code: 'plan-blocked', facts: { why: 'not-writable' } })
})

test('a gateway that takes long to stop is waited for', async () => {
  await stopGateway(source)
  await runGateway(standIn(join(ground, 'slow'), { fault: 'slow-to-stop' }), source, port)
  const home = join(ground, 'patient')
  mkdirSync(home)
  const to = await freePort()
  const agent = await fleet.enrol('patient', home, ground, standIn(join(ground, 'well')))
  const move = await fleet.operator.json<{ downtimeMs: number }>(
    'move',
    'ada',
    'patient',
    '--port',
    String(to),
  )
  expect(move.downtimeMs).toBeGreaterThan(0)
  expect([await isReady(to), await isReady(port)]).toEqual([true, false])
  await stopGateway(seatAt(home))
  await agent.stop()
})
