/** A small node with a bot and cron jobs, under a gateway that stands in for OpenClaw: cheap to move by the dozen. */
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import type { Scene } from './cuts.ts'
import { JOBS, TOKEN, jobsAt, movedHome } from './moved-home.ts'
import { Pair } from './pair.ts'
import { standIn } from './stand-in.ts'
import { startTelegram } from './telegram.ts'

/** @param ground an empty directory of its own. */
export async function cutScene(ground: string): Promise<Scene & { close(): Promise<void> }> {
  const telegram = await startTelegram()
  const ports = { left: await freePort(), right: await freePort() }
  const homes = { left: join(ground, 'left', 'ada'), right: join(ground, 'right', 'ada') }
  movedHome(homes.left, ports.left, telegram.url)
  const openclaw = standIn(join(ground, 'stand-in'))
  const pair = await Pair.start({ ground, homes, ports, openclaw })
  await pair.startGateway('left')
  return {
    pair,
    telegram,
    token: TOKEN,
    jobsAt,
    jobs: JOBS,
    patienceMs: 120_000,
    moveMs: 6000,
    async close() {
      await pair.stop()
      telegram.close()
    },
  }
}
