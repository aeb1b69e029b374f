/**
 * A node whose gateway is run by the service manager of its account is moved to an account that has one too: real
 * `systemd --user` on both sides, a gateway that stands in for OpenClaw. `npm run proof -- moves` does it with the real
 * one.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { seatAt } from './support/moves/lists.ts'
import { movedHome } from './support/moves/moved-home.ts'
import { standIn } from './support/moves/stand-in.ts'
import { type Managed, managedAccount } from './support/moves/user-manager.ts'
import { isReady, openclawEnv } from './support/openclaw.ts'
import { spawned } from './support/programs.ts'
import { freePort } from './support/free-port.ts'
import { until } from './support/until.ts'

const UNIT = 'openclaw-gateway.service'
const canManage = process.getuid?.() === 0 && existsSync('/lib/systemd/systemd')
const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-managed-')))
const program = standIn(join(ground, 'openclaw'))
const homes = { a: join(ground, 'a-home'), b: join(ground, 'b-home') }
let fleet: Fleet
let a: Managed
let b: Managed
let ports: { readonly pinned: number; readonly target: number }

beforeAll(async () => {
  if (!canManage) return
  chmodSync(ground, 0o755)
  ports = { pinned: await freePort(), target: await freePort() }
  // Its unit pins another port than its configuration has.
  movedHome(homes.a, await freePort(), 'http://127.0.0.1:9')
  a = await managedAccount('ocm-managed-a', homes.a, join(ground, 'a'))
  b = await managedAccount('ocm-managed-b', homes.b, join(ground, 'b'))
  fleet = await startFleet(join(ground, 'fleet'))
  const { under } = seatAt(homes.a, a.under)
  const words = ['gateway', 'install', '--force', '--port', String(ports.pinned)]
  const { file, args } = spawned(under ?? {}, [process.execPath, program, ...words])
  execFileSync(file, args, { cwd: homes.a, env: { ...openclawEnv(homes.a), ...a.under.env } })
  await until(() => isReady(ports.pinned), { timeoutMs: 30_000, what: 'the source is ready' })
  await fleet.enrol('a', homes.a, homes.a, program, a.under)
  await fleet.enrol('b', homes.b, homes.b, program, b.under)
})
afterAll(async () => {
  await fleet?.stop()
  for (const managed of [a, b]) await managed?.stop()
  rmSync(ground, { recursive: true, force: true })
})

const show = (managed: Managed, property: string) =>
  managed.systemctl('show', UNIT, '-p', property, '--value').trim()
const speaking = async () => [await isReady(ports.pinned), await isReady(ports.target)]

test.skipIf(!canManage)(
  'the target gets a unit of its own, and over a reboot nobody else runs',
  async () => {
    await fleet.operator.json('move', 'a', 'b', '--port', String(ports.target))
    expect(await speaking()).toEqual([false, true])
    expect([show(a, 'LoadState'), show(b, 'UnitFileState')]).toEqual(['masked', 'enabled'])
    await a.reboot()
    await b.reboot()
    await until(() => isReady(ports.target), { timeoutMs: 30_000, what: 'it is back' })
    expect([await isReady(ports.pinned), show(a, 'ActiveState')]).toEqual([false, 'inactive'])
  },
)

test.skipIf(!canManage)(
  'taken back, the source runs by its unit as before, and the target has none',
  async () => {
    await fleet.operator.json('undo', 'b')
    await until(() => isReady(ports.pinned), { timeoutMs: 30_000, what: 'the source is back' })
    expect(await speaking()).toEqual([true, false])
    const unit = join(homes.a, '.config', 'systemd', 'user', UNIT)
    expect(readFileSync(unit, 'utf8')).toContain(`--port ${ports.pinned}`)
    expect(existsSync(join(homes.b, '.config'))).toBe(false)
  },
)
