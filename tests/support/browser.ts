/** Debian's Chromium, headless, driven over its own protocol; nothing of it looks for anything outside this machine. */
import { existsSync } from 'node:fs'
import { type Browser, type Page, chromium } from 'playwright-core'

const EXECUTABLE = '/usr/bin/chromium'
export const hasBrowser = existsSync(EXECUTABLE)

export interface Visit {
  readonly browser: Browser
  readonly page: Page
  /** What the console complained of, and every request that left the hub. */
  readonly complaints: string[]
}

export async function visit(origin: string): Promise<Visit> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(60_000)
  const complaints: string[] = []
  page.on('console', (said) => {
    if (said.type() === 'error') complaints.push(said.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    const { protocol, origin: theirs } = new URL(request.url())
    const isOwn = theirs === origin || theirs === origin.replace('http', 'ws')
    if (!isOwn && !['data:', 'blob:'].includes(protocol)) complaints.push(request.url())
  })
  return { browser, page, complaints }
}

/** By what the pages call their controls for tests. */
export const at = (name: string): string => `[data-test="${name}"]`
