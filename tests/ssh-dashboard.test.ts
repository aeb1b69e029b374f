/** A person at the dashboard and a node without an agent: a real browser, a real hub, a real sshd. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hostKeyFingerprint } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Visit, at, hasBrowser, visit } from './support/browser.ts'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type Operator,
  PASSPHRASE,
  PASSWORD,
  type RunningHub,
  operatorAt,
  startHub,
} from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { type Account, type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'

const SECRET = 'a password that is lent'

describe.skipIf(!hasBrowser || whyNoSshd() !== undefined)('the dashboard over ssh', () => {
  let sshd: TestSshd
  let account: Account
  let hub: RunningHub
  let ada: Operator
  let seen: Visit

  beforeAll(async () => {
    sshd = await startSshd()
    account = sshd.account({ password: SECRET })
    smallHome(account.home, 28_872)
    mkdirSync(join(account.home, '.local/bin'), { recursive: true })
    symlinkSync(process.execPath, join(account.home, '.local/bin/node'))
    symlinkSync(OPENCLAW, join(account.home, '.local/bin/openclaw'))
    execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, account.home])
    hub = await startHub(join(freshMachine('ssh-dashboard-hub'), 'data'))
    ada = operatorAt(freshMachine('ssh-dashboard'), hub.url)
    await ada.ocm('setup', hub.setupLink, '--name', 'ada', '--yes')
    seen = await visit(hub.url)
  })
  afterAll(async () => {
    await seen?.browser.close()
    await hub?.stop()
    await sshd?.stop()
  })

  test('adds a node: its host key is shown and approved before anybody logs in', async () => {
    const { page } = seen
    await page.goto(hub.url)
    await page.fill(at('login-name'), 'ada')
    await page.fill(at('login-password'), PASSWORD)
    await page.click(at('login-submit'))
    await page.waitForSelector(at('first-steps'))
    await page.locator(at('add-node')).locator('visible=true').first().click()
    await page.click(at('reach-ssh'))
    await page.fill(at('node-label'), 'kitchen')
    for (const [wrong, why] of [
      ['127.0.0.1', 'user is refused: there is none'],
      ['x@-oProxyCommand=x', 'host is refused: it is not of a plain form'],
    ] as const) {
      await page.fill(at('ssh-where'), wrong)
      await page.click(at('ssh-look'))
      await page.locator(at('problem')).filter({ hasText: why }).waitFor()
    }
    await page.fill(at('ssh-where'), `${account.name}@127.0.0.1:${sshd.port}`)
    await page.click(at('ssh-look'))
    expect(await page.innerText(at('host-key'))).toBe(hostKeyFingerprint(p, sshd.hostKeys[0] ?? ''))
    expect(sshd.log()).not.toContain('Accepted')
    await page.click(at('host-approve'))
    await page.fill(at('ssh-password'), SECRET)
    await page.click(at('credential-lend'))
    await page.fill(at('passphrase'), PASSPHRASE)
    await page.click(at('passphrase-open'))
    await page.waitForSelector(`${at('waypoint-confirmed')}[data-state=done]`)
  })

  test('backs it up over the connection that is there, and the loan ends with the job', async () => {
    const { page } = seen
    await page.click(at('add-node-backup'))
    await page.waitForSelector(at('add-node-backup'), { state: 'detached' })
    const [node] = await ada.json<{ id: string }[]>('nodes')
    await page.goto(`${hub.url}/nodes/${node?.id}`)
    await page.locator(at('snapshots')).locator('li').first().waitFor()
    await page.waitForSelector(at('lease'), { state: 'detached' })
    // The page hears of the lease and of the node one after the other.
    await expect
      .poll(() => page.getAttribute(at('situation'), 'data-situation'), { timeout: 10_000 })
      .toBe('reachable')
  })

  test('lends for a job that waits, and says so where the job is', async () => {
    const { page } = seen
    const [node] = await ada.json<{ id: string }[]>('nodes')
    const job = await page.evaluate(async (id) => {
      const answer = await fetch('/api/jobs', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'backup', node: id }),
      })
      return ((await answer.json()) as { id: string }).id
    }, node?.id)
    await page.goto(`${hub.url}/jobs/${job}`)
    await page.click(`${at('credential-needed')} ${at('lend')}`)
    await page.fill(at('passphrase'), PASSPHRASE)
    await page.click(at('passphrase-open'))
    await page.fill(at('ssh-password'), SECRET)
    await page.click(at('credential-lend'))
    await page.waitForSelector(`${at('job-state')}[data-state=done]`)
    expect(await page.locator(at('credential-needed')).count()).toBe(0)
  })

  test('asks for what the node is reached with before it is asked what could be undone there', async () => {
    const { page } = seen
    const [node] = await ada.json<{ id: string }[]>('nodes')
    await page.goto(`${hub.url}/nodes/${node?.id}`)
    await page.waitForSelector(`${at('situation')}[data-situation=reachable]`)
    await page.click(at('node-menu'))
    await page.click(at('node-undo'))
    await page.fill(at('passphrase'), PASSPHRASE)
    await page.click(at('passphrase-open'))
    await page.fill(at('ssh-password'), SECRET)
    await page.click(at('credential-lend'))
    // It was connected, and has said so.
    await page.waitForSelector(`${at('problem')}[data-code=undo-refused]`)
    expect(await page.locator(at('ssh-password')).count()).toBe(0)
    // What was lent is given back with the dialog.
    await page.keyboard.press('Escape')
    await page.waitForSelector(`${at('situation')}[data-situation=reachable]`)
  })

  test('keeps nothing that was typed: not in the page, not in what a browser stores', async () => {
    const { page } = seen
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
    )
    for (const secret of [SECRET, PASSPHRASE]) {
      expect(kept).not.toContain(secret)
      expect(await page.content()).not.toContain(secret)
    }
  })

  test('stops hard at another host key, and goes on when that was looked at and compared', async () => {
    const { page } = seen
    await sshd.changeHostKey()
    const before = sshd.log().length
    await page.goto(`${hub.url}/nodes`)
    // The connection of the job before is given up a moment after its end.
    await page.waitForSelector(`${at('node-row')}[data-situation=reachable]`)
    await page.locator(at('node-backup')).locator('visible=true').first().click()
    await page.fill(at('passphrase'), PASSPHRASE)
    await page.click(at('passphrase-open'))
    await page.fill(at('ssh-password'), SECRET)
    await page.click(at('credential-lend'))
    await page.waitForSelector(at('host-key-stop'))
    expect(sshd.log().slice(before)).not.toMatch(/Accepted|Failed password/)
    await page.click(at('look-again'))
    await page.fill(at('passphrase'), PASSPHRASE)
    await page.click(at('passphrase-open'))
    await page.click(at('connection-look'))
    await page.click(at('host-approve'))
    const now = execFileSync('ssh-keygen', ['-lf', join(sshd.ground, 'host.pub')], {
      encoding: 'utf8',
    }).split(' ')[1]
    await page.waitForSelector(`${at('connection')} >> text=${now}`)
  })

  test('delegates only after it has said what that gives up', async () => {
    const { page } = seen
    await page.click(at('delegate'))
    expect(await page.innerText(at('delegation'))).toContain('whoever reads that disk')
    await page.fill(at('ssh-password'), SECRET)
    await page.click(at('credential-lend'))
    await page.waitForSelector(`${at('delegated')}[data-delegated=true]`)
    await page.click(at('delegate'))
    await page.waitForSelector(`${at('delegated')}[data-delegated=false]`)
  })

  test('nothing went wrong on its pages', () => {
    const expected = /status of (?:401|404)/
    expect(seen.complaints.filter((text) => !expected.test(text))).toEqual([])
  })
})
