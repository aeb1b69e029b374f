/** Whether the configuration here is managed from outside, and OpenClaw refuses to have it written. */
import type { Where } from './discovery.ts'
import { environOf, gatewayProcesses } from './gateway-watch.ts'
import { unitTexts } from './versions.ts'

const SWITCHES = ['OPENCLAW_CONFIG_READONLY', 'OPENCLAW_NIX_MODE'] as const
const IN_A_UNIT = new RegExp(`^Environment=.*\\b(?:${SWITCHES.join('|')})=1(?:"|\\s|$)`, 'm')

/** It may be said to the gateway alone: in its unit, or by whoever started it. */
export function isReadOnly(where: Where): boolean {
  const [running] = gatewayProcesses({ home: where.home, stateDir: where.state })
  const told = [where.env, running === undefined ? {} : environOf(running.pid)]
  return (
    told.some((env) => SWITCHES.some((name) => env[name] === '1')) ||
    unitTexts(where).some((unit) => IN_A_UNIT.test(unit))
  )
}
