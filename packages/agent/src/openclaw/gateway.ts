/** Which of three ways runs the gateway of this installation: the account's service manager, the machine's, or nobody. */
import type { Gateway } from '../installation.port.ts'
import type { GatewaySite } from './gateway-site.ts'
import { isProcessMemory, processGateway } from './gateway-process.ts'
import { findUnit, isUnitMemory, unitGateway } from './gateway-unit.ts'

/** @param remembered what `Gateway.remember` gave before, in this process or in one before it. */
export async function detectGateway(site: GatewaySite, remembered?: unknown): Promise<Gateway> {
  if (isUnitMemory(remembered)) return unitGateway(site, remembered)
  if (isProcessMemory(remembered)) return processGateway(site, remembered)
  const unit = await findUnit(site)
  return unit === undefined ? processGateway(site, undefined) : unitGateway(site, unit)
}
