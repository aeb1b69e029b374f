/**
 * Takes docs/dashboard.png: a real hub, two nodes with a small home each, some backups, and the page of one of them in
 * Debian's Chromium. Run it when the dashboard looks different: node scripts/picture.ts
 */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { at, visit } from '../tests/support/browser.ts'
import { startFleet } from '../tests/support/fleet.ts'
import { standIn } from '../tests/support/moves/stand-in.ts'
import { PASSWORD } from '../tests/support/programs.ts'
import { smallHome } from '../tests/support/small-home.ts'

const picture = fileURLToPath(new URL('../docs/dashboard.png', import.meta.url))
const ground = mkdtempSync(join(tmpdir(), 'ocm-picture-'))
const fleet = await startFleet(ground)
try {
  const { operator, hub } = fleet
  const openclaw = standIn(join(ground, 'openclaw'))
  for (const [i, label] of ['study', 'attic'].entries()) {
    const home = smallHome(join(ground, 'home', label), 28_941 + i)
    await fleet.enrol(label, home, ground, openclaw)
    for (let day = 1; day <= 4; day++) {
      const notes = join(home, '.openclaw/workspace/MEMORY.md')
      appendFileSync(notes, `Day ${day}\n`.repeat(day * 400))
      await operator.json('backup', label)
    }
    await operator.json('schedule', label, '--daily', '03:00')
  }
  await operator.json('nodes', 'confirm')
  const { browser, page } = await visit(hub.url)
  try {
    await page.setViewportSize({ width: 1180, height: 760 })
    await page.goto(`${hub.url}/login`)
    await page.fill(at('login-name'), 'olivia')
    await page.fill(at('login-password'), PASSWORD)
    await page.click(at('login-submit'))
    await page.getByRole('link', { name: 'study' }).first().click()
    await page.waitForSelector(at('schedule'))
    await page.waitForSelector(at('snapshots'))
    await page.mouse.move(0, 0)
    await page.screenshot({ path: picture, animations: 'disabled' })
  } finally {
    await browser.close()
  }
} finally {
  await fleet.stop()
  rmSync(ground, { recursive: true, force: true })
}
console.log(picture)
