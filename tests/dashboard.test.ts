/**
 * A person at the dashboard, from the set-up link to a node that was moved: a real browser, a real hub, real agents,
 * and a real gateway that starts at its new place.
 */
import { mkdirSync, readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Visit, at, hasBrowser, visit } from './support/browser.ts'
import { gatewayPid } from './support/node-state.ts'
import { OPENCLAW, isReady } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type Running,
  type RunningHub,
  joinAgent,
  startAgent,
  startHub,
} from './support/programs.ts'
import { smallHome } from './support/small-home.ts'

const PASSWORD = 'a login password of mine'
const PORT = 28_971

describe.skipIf(!hasBrowser)('the dashboard', () => {
  let ground: string
  let hub: RunningHub
  let seen: Visit
  let passphrase = ''
  let kitCode = ''
  const agents: Running[] = []
  const newHome = (name: string) => join(ground, 'home', name)

  beforeAll(async () => {
    ground = freshMachine('dashboard')
    hub = await startHub(join(ground, 'hub'))
    seen = await visit(hub.url)
  })

  afterAll(async () => {
    await seen?.browser.close()
    for (const agent of agents) await agent.stop()
    const pid = ground && gatewayPid(newHome('bea'))
    if (pid) process.kill(pid, 'SIGTERM')
    await hub?.stop()
  })

  test('sets the hub up, with a vault that is made in the browser', async () => {
    const { page } = seen
    await page.goto(hub.setupLink)
    await page.fill(at('setup-name'), 'olivia')
    await page.fill(at('setup-password'), PASSWORD)
    await page.click(at('setup-next'))
    // Shown as a numbered list.
    passphrase = (await page.innerText(at('proposed-words'))).match(/[a-z]+/g)?.join(' ') ?? ''
    expect(passphrase.split(' ')).toHaveLength(6)
    await page.click(at('setup-make'))
    const code = ((await page.textContent(at('kit-code'))) ?? '').trim()
    kitCode = code
    await page.fill(at('kit-typed'), code.split('-').at(-1) ?? '')
    await page.click(at('kit-done'))
    await page.waitForSelector(at('first-steps'))

    await page.goto(hub.setupLink)
    await page.reload()
    await page.waitForSelector(at('setup-closed'))
  })

  test('lets in who has the password', async () => {
    const { page } = seen
    await page.goto(`${hub.url}/nodes`)
    await page.locator(at('logout')).locator('visible=true').click()
    await page.fill(at('login-name'), 'olivia')
    await page.fill(at('login-password'), 'not the password')
    await page.click(at('login-submit'))
    await page.waitForSelector(at('problem'))
    await page.fill(at('login-password'), PASSWORD)
    await page.click(at('login-submit'))
    await page.waitForSelector(at('first-steps'))
    expect(await page.isVisible(at('login-form'))).toBe(false)
  })

  /** Through the dialog, with the commands it shows run on the node. */
  async function addNode(label: string, home: string): Promise<void> {
    const { page } = seen
    await page.goto(`${hub.url}/nodes`)
    await page.locator(at('add-node')).locator('visible=true').first().click()
    await page.fill(at('node-label'), label)
    await page.fill(at('passphrase'), passphrase)
    await page.click(at('passphrase-open'))
    const command = await page.locator(`${at('join-command')} code`).textContent()
    const place = { state: join(ground, `agent-${label}`), home, openclaw: OPENCLAW }
    const joined = await joinAgent(place, command?.trim().split(' ').at(-1) ?? '')
    expect(joined).toMatchObject({ code: 0 })
    agents.push(startAgent(place))
    await page.waitForSelector(`${at('waypoint-confirmed')}[data-state=done]`)
    await page.waitForSelector(at('add-node-backup'))
  }

  test('adds nodes and sees them come', async () => {
    await addNode('ada', smallHome(newHome('ada'), PORT))
    mkdirSync(newHome('bea'), { recursive: true })
    await addNode('bea', newHome('bea'))
    const { page } = seen
    await page.goto(`${hub.url}/nodes`)
    await page.locator(at('node-row')).nth(1).waitFor()
    expect(await page.locator(at('node-row')).count()).toBe(2)
  })

  test('sets when a node is backed up by itself, and takes it back', async () => {
    const { page } = seen
    await page.locator(at('node-link')).locator('visible=true').getByText('ada').click()
    await page.click(at('schedule-change'))
    await page.fill(at('schedule-at'), '04:30')
    await page.click(at('schedule-go'))
    await page.waitForSelector(`${at('schedule')} >> text=Daily at 04:30`)
    await page.click(at('schedule-change'))
    expect(await page.inputValue(at('schedule-at'))).toBe('04:30')
    await page.click(`${at('schedule-choice')} >> text=Only when somebody asks`)
    await page.click(at('schedule-go'))
    await page.waitForSelector(`${at('schedule')} >> text=Only when somebody asks`)
  })

  test('changes the vault passphrase, and asks for the old one to do it', async () => {
    const { page } = seen
    const old = passphrase
    await page.locator(at('rewrap')).locator('visible=true').click()
    const next = (await page.innerText(at('proposed-words'))).match(/[a-z]+/g)?.join(' ') ?? ''
    await page.fill(at('rewrap-password'), PASSWORD)
    await page.click(at('rewrap-chosen'))
    await page.fill(at('passphrase'), next)
    await page.click(at('passphrase-open'))
    // What is new does not hold yet.
    await page.waitForSelector(`${at('problem')} >> text=passphrase-wrong`)
    await page.fill(at('passphrase'), old)
    await page.click(at('passphrase-open'))
    await page.waitForSelector(at('passphrase-form'), { state: 'detached' })
    expect(await page.locator(at('problem')).count()).toBe(0)
    passphrase = next
  })

  test('takes the code of the kit when the passphrase is lost, where it is asked for', async () => {
    const { page } = seen
    const words = async () =>
      (await page.innerText(at('proposed-words'))).match(/[a-z]+/g)?.join(' ') ?? ''
    await page.locator(at('rewrap')).locator('visible=true').click()
    await page.fill(at('rewrap-password'), PASSWORD)
    await page.click(at('rewrap-chosen'))
    await page.click(at('passphrase-lost'))
    await page.fill(at('recovery-code'), kitCode.replace(/^..../, 'zzzz'))
    await page.fill(at('lost-password'), PASSWORD)
    await page.click(at('lost-next'))
    await page.click(at('lost-go'))
    // Back to where the code is typed.
    await page.waitForSelector(`${at('lost')} >> text=recovery-code-wrong`)
    await page.fill(at('recovery-code'), kitCode)
    await page.click(at('lost-next'))
    const next = await words()
    await page.click(at('lost-go'))
    await page.waitForSelector(at('lost-done'))
    await page.click(at('lost-close'))
    // The dialog beneath still asks for what opens the vault: that is the new one now.
    await page.fill(at('passphrase'), passphrase)
    await page.click(at('passphrase-open'))
    await page.waitForSelector(at('problem'))
    expect(await page.innerText(at('problem'))).toContain('passphrase-wrong')
    await page.goto(`${hub.url}/nodes`)
    expect(next).not.toBe(passphrase)
    passphrase = next
  })

  test('begins a new epoch when the new kit is on paper, and the old kit opens nothing then', async () => {
    const { page } = seen
    await page.goto(`${hub.url}/nodes`)
    await page.locator(at('rewrap')).locator('visible=true').click()
    await page.click(at('rewrap-epoch'))
    await page.fill(at('passphrase'), passphrase)
    await page.click(at('passphrase-open'))
    const code = ((await page.textContent(at('kit-code'))) ?? '').trim()
    expect(code).not.toBe(kitCode)
    await page.fill(at('kit-typed'), kitCode.split('-').at(-1) ?? '')
    expect(await page.isDisabled(at('kit-done'))).toBe(true)
    await page.fill(at('kit-typed'), code.split('-').at(-1) ?? '')
    await page.click(at('kit-done'))
    await page.waitForSelector(`${at('epoch-done')} >> text=Epoch 2 has begun`)
  })

  test('keeps a policy that was chosen, takes no number that is none, and says what lowers the lock', async () => {
    const { page } = seen
    await page.goto(`${hub.url}/storage`)
    await page.click(at('policy-thin'))
    const daily = page.locator(`${at('policy-daily')} input`)
    await daily.fill('-3')
    await daily.blur()
    expect(await daily.inputValue()).toBe('14')
    await daily.fill('5')
    await daily.blur()
    await page.click(at('policy-save'))
    await page.waitForSelector(at('policy-save'), { state: 'detached' })
    const days = page.locator(`${at('lock')} input`).first()
    await days.fill('3')
    await days.blur()
    expect(await page.textContent(at('lock'))).toContain('audit log')
    await page.reload()
    await page.waitForSelector(at('policy-daily'))
    expect([await daily.inputValue(), await days.inputValue()]).toEqual(['5', '14'])
  })

  test('moves a node in one flow, and shows how it ended', async () => {
    const { page } = seen
    await page.goto(`${hub.url}/move?kind=move`)
    await page.selectOption(at('flow-source'), { label: 'ada' })
    await page.selectOption(at('flow-target'), { label: 'bea' })
    await page.click(at('flow-next'))
    await page.fill(at('passphrase'), passphrase)
    await page.click(at('passphrase-open'))
    await page.waitForSelector(at('plan'))
    expect(await page.textContent(at('plan'))).toContain(newHome('bea'))
    await page.click(at('approve'))
    await page.waitForSelector(at('job-steps'))
    await page.waitForSelector(at('flow-done'), { timeout: 240_000 })

    expect(await isReady(PORT)).toBe(true)
    expect(existsSync(join(newHome('ada'), '.openclaw'))).toBe(false)
    const config = readFileSync(join(newHome('bea'), '.openclaw', 'openclaw.json'), 'utf8')
    expect(config).not.toContain(newHome('ada'))
  })

  test('has asked nothing of the world outside, and nothing went wrong on its pages', () => {
    const expected = /status of (?:401|404)/
    expect(seen.complaints.filter((text) => !expected.test(text))).toEqual([])
  })
})
