/**
 * A person who moves a node about at the dashboard: compares, sends a directory elsewhere, takes the move back, moves it
 * while its machine is off, and lets it run again when its successor is gone. A real browser, hub and agents; the gateway
 * stands in for OpenClaw.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Visit, at, hasBrowser, visit } from './support/browser.ts'
import { cutScene } from './support/moves/cut-scene.ts'
import { type Side, other } from './support/moves/pair.ts'
import { gatewayPid } from './support/node-state.ts'
import { PASSPHRASE, PASSWORD } from './support/programs.ts'
import { until } from './support/until.ts'

const LONG = { timeoutMs: 120_000, everyMs: 100 }

interface NodeRow {
  readonly id: string
  readonly label: string
  readonly online: boolean
}

describe.skipIf(!hasBrowser)('moves at the dashboard', () => {
  const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-move-dashboard-')))
  const ids: Record<Side, string> = { left: '', right: '' }
  let scene: Awaited<ReturnType<typeof cutScene>>
  let seen: Visit

  beforeAll(async () => {
    scene = await cutScene(ground)
    const { hub, operator } = scene.pair
    for (const { label, id } of await operator.json<NodeRow[]>('nodes')) ids[label as Side] = id
    seen = await visit(hub.url)
    const { page } = seen
    await page.goto(hub.url)
    await page.fill(at('login-name'), 'olivia')
    await page.fill(at('login-password'), PASSWORD)
    await page.click(at('login-submit'))
    await page.locator(at('node-row')).nth(1).waitFor()
  })
  afterAll(async () => {
    await seen?.browser.close()
    await scene?.close()
    rmSync(ground, { recursive: true, force: true })
  })

  const homeOf = (side: Side) => scene.pair.seats[side].home
  const speaks = (side: Side) =>
    until(
      async () =>
        (await scene.pair.ready()).join() === side && scene.telegram.pollers(scene.token) === 1,
      { ...LONG, what: `${side} speaks, and nobody else` },
    )
  async function open(): Promise<void> {
    await seen.page.fill(at('passphrase'), PASSPHRASE)
    await seen.page.click(at('passphrase-open'))
  }

  /** As when a machine is switched off. */
  async function switchOff(side: Side): Promise<void> {
    const { pair } = scene
    await pair.killAgent(side)
    const pid = gatewayPid(homeOf(side))
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    const isOff = async () =>
      (await pair.operator.json<NodeRow[]>('nodes')).some(
        ({ label, online }) => label === side && !online,
      )
    await until(isOff, { ...LONG, everyMs: 300, what: `the hub has noticed that ${side} is off` })
  }

  const chooseMove = (from: Side) =>
    seen.page.goto(
      `${scene.pair.hub.url}/move?kind=move&source=${ids[from]}&target=${ids[other(from)]}`,
    )

  /** From the choice to the plan, which is looked at; without a trial. */
  async function planOf(from: Side): Promise<void> {
    const { page } = seen
    const { seats } = scene.pair
    await page.click(at('flow-next'))
    await open()
    await page.waitForSelector(at('plan'))
    await page.fill(at('choice-port'), String(seats[other(from)].port))
    await page.locator(at('choice-port')).blur()
    await page.click(at('choice-trial'))
  }

  async function approve(): Promise<void> {
    await seen.page.click(at('approve'))
    await seen.page.waitForSelector(at('flow-done'), { timeout: 120_000 })
  }

  async function act(side: Side, name: string): Promise<void> {
    const { page } = seen
    await page.goto(`${scene.pair.hub.url}/nodes/${ids[side]}`)
    await page.click(at('node-menu'))
    await page.click(at(name))
  }

  test('two snapshots of a node are compared, down to the lines of a file', async () => {
    const { page } = seen
    const { hub, operator } = scene.pair
    const notes = join(homeOf('left'), '.openclaw', 'workspace', 'MEMORY.md')
    const { snapshot } = await operator.json<{ snapshot: string }>('backup', 'left')
    writeFileSync(notes, `${readFileSync(notes, 'utf8')}The desk is blue.\n`)
    await operator.json('backup', 'left')
    await page.goto(`${hub.url}/compare`)
    for (const name of ['compare-a', 'compare-b']) await page.selectOption(at(name), ids.left)
    await page.waitForSelector(at('compare-one'))
    await page.selectOption(at('compare-a-snapshot'), snapshot)
    await open()
    const change = page.locator(`${at('change')}[data-of=entry]`)
    await change.waitFor()
    expect(await change.count()).toBe(1)
    expect(await change.textContent()).toContain('MEMORY.md')
    await change.locator(at('look-lines')).click()
    expect(await page.textContent(at('text-diff'))).toContain('+The desk is blue.')
    // Another choice closes what was shown of this one.
    await page.selectOption(at('compare-b-snapshot'), snapshot)
    await page.waitForSelector(at('compare-one'))
    expect(await page.locator(at('comparison')).count()).toBe(0)
  })

  test('a workspace goes where it is sent, and the plan follows', async () => {
    const { page } = seen
    await chooseMove('left')
    await planOf('left')
    const wanted = join(homeOf('right'), 'desk of mine')
    const place = page.locator(`${at('root')}[data-root="workspace:main"] ${at('root-to')}`)
    const proposed = await place.inputValue()
    expect(proposed).toBe(join(homeOf('right'), '.openclaw', 'workspace'))
    const hash = () => page.getAttribute(at('plan'), 'data-hash')
    const before = await hash()
    await place.fill('not/absolute')
    await place.blur()
    await page
      .locator(`${at('finding')}[data-weight=blocker]`)
      .first()
      .waitFor()
    expect(await page.isDisabled(at('approve'))).toBe(true)
    await place.fill(wanted)
    await place.blur()
    await expect.poll(hash).not.toBe(before)
    await expect.poll(() => page.isEnabled(at('approve'))).toBe(true)
    await approve()
    await speaks('right')
    expect(readFileSync(join(wanted, 'MEMORY.md'), 'utf8')).toContain('The desk is blue.')
    const config = readFileSync(join(homeOf('right'), '.openclaw', 'openclaw.json'), 'utf8')
    expect(config).toContain(wanted)
    expect(config).not.toContain(homeOf('left'))
    expect(scene.jobsAt(homeOf('right'))?.toSorted()).toEqual(scene.jobs.toSorted())
  })

  test('the move is taken back where the node is shown, and the source speaks as before', async () => {
    const { page } = seen
    await act('right', 'node-undo')
    await open()
    await page.waitForSelector(at('undo-found'))
    expect(await page.textContent(at('undo-found'))).toContain('left')
    await page.click(at('undo-go'))
    await page.waitForSelector(at('job-outcome'), { timeout: 120_000 })
    await speaks('left')
    expect(existsSync(join(homeOf('right'), 'desk of mine'))).toBe(false)
  })

  test('a node that is off is moved when its name is typed, and shown as unfenced until it is back', async () => {
    const { page } = seen
    const { pair } = scene
    await switchOff('left')
    await chooseMove('left')
    await page.waitForSelector(at('source-is-off'))
    expect(await page.isDisabled(at('flow-next'))).toBe(true)
    expect(await page.getAttribute(at('hindrance'), 'data-hindrance')).toBe('source-offline')
    await page.fill(at('off-typed'), 'left')
    await planOf('left')
    await approve()
    await speaks('right')
    await page.goto(`${pair.hub.url}/nodes/${ids.left}`)
    await page.waitForSelector(at('fence-badge'))
    expect(await page.textContent(at('moved-banner'))).toContain('is not fenced yet')
    // As a service manager does: the gateway is there before our link.
    await pair.startGateway('left')
    pair.runAgent('left')
    await page.waitForSelector(at('fence-badge'), { state: 'detached' })
    expect(await page.textContent(at('moved-banner'))).toContain('and is fenced')
    expect(existsSync(join(homeOf('left'), '.openclaw.ocm-fenced.json'))).toBe(true)
  })

  test('a fenced node is let go when somebody signs that its successor is off, and not before', async () => {
    const { page } = seen
    await act('left', 'node-release')
    await page.fill(at('passphrase'), PASSPHRASE)
    expect(await page.isDisabled(at('passphrase-open'))).toBe(true)
    await page.fill(at('release-typed'), 'left')
    await page.click(at('passphrase-open'))
    await page.waitForSelector(`${at('problem')}[data-code=target-online]`)
    await switchOff('right')
    await open()
    await page.waitForSelector(at('job-outcome'), { timeout: 120_000 })
    await speaks('left')
  })

  test('nothing went wrong on its pages', () => {
    // What is refused on purpose, and what a browser says of a fetch that it left behind.
    const expected = /status of (?:401|404|409)/
    expect(seen.complaints.filter((text) => !expected.test(text))).toEqual([])
  })
})
