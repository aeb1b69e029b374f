/** The populated home with a bot, under gateways of the real OpenClaw. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startMockModel } from '../mock-model.ts'
import { OPENCLAW } from '../openclaw.ts'
import { GATEWAY_PORT, MODEL_PORT, populatedHome } from '../openclaw-home.ts'
import { userJobs } from './lists.ts'
import type { Scene } from './cuts.ts'
import { Pair } from './pair.ts'
import { startTelegram } from './telegram.ts'

const TOKEN = '1234567890:AAtokenOfTheRealGatewaysBotXXXXXXXX'

export interface RealPlace {
  /** The home that is moved to, if it is not one in the ground. */
  readonly right?: string
  /** The OpenClaw there, if it is not the real one. */
  readonly openclaw?: string
  /** Where the bot polls, if not a Telegram of the test. */
  readonly apiRoot?: string
}

/** @param ground an empty directory of its own. */
export async function realScene(
  ground: string,
  place: RealPlace = {},
): Promise<Scene & { close(): Promise<void> }> {
  const left = await populatedHome()
  const open: (() => Promise<void> | void)[] = []
  const close = async () => {
    for (const one of open.splice(0).toReversed()) await one()
  }
  try {
    const telegram = await startTelegram()
    open.push(() => telegram.close())
    giveBot(left, place.apiRoot ?? telegram.url)
    const model = await startMockModel(MODEL_PORT)
    open.push(() => model.close())
    const homes = { left, right: place.right ?? join(ground, 'right', 'ada') }
    const ports = { left: GATEWAY_PORT, right: GATEWAY_PORT + 20 }
    const pair = await Pair.start({
      ground,
      homes,
      ports,
      openclaw: OPENCLAW,
      ...(place.openclaw !== undefined && { openclawOf: { right: place.openclaw } }),
    })
    open.push(() => pair.stop())
    const jobs = userJobs(left) ?? []
    await pair.startGateway('left')
    return {
      pair,
      telegram,
      token: TOKEN,
      jobsAt: userJobs,
      jobs,
      patienceMs: 600_000,
      moveMs: 60_000,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A bot in the configuration, which polls the Telegram of the test. */
export function giveBot(home: string, telegram: string): void {
  const file = join(home, '.openclaw', 'openclaw.json')
  const text = readFileSync(file, 'utf8')
  const config = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, '')) as {
    plugins: { entries: Record<string, unknown> }
  }
  const channels = { telegram: { enabled: true, botToken: TOKEN, apiRoot: telegram } }
  config.plugins.entries['telegram'] = { enabled: true }
  writeFileSync(file, JSON.stringify({ ...config, channels }, null, 2))
}
