/** Which way runs the gateway of this installation: the account's service manager, the machine's, or nobody. */
import { existsSync } from 'node:fs'
import type { Gateway } from '../installation.port.ts'
import type { GatewaySite } from './gateway-site.ts'
import { isNewUnitMemory, newUnit, newUnitGateway } from './gateway-new-unit.ts'
import { isProcessMemory, processGateway } from './gateway-process.ts'
import { findUnit, isUnitMemory, unitGateway } from './gateway-unit.ts'

/** @param remembered what `Gateway.remember` gave before, in this process or in one before it. */
export async function detectGateway(site: GatewaySite, remembered?: unknown): Promise<Gateway> {
  if (isNewUnitMemory(remembered)) return newUnitGateway(site, remembered)
  if (isUnitMemory(remembered)) return unitGateway(site, remembered)
  if (isProcessMemory(remembered)) return processGateway(site, remembered)
  const unit = await findUnit(site)
  if (unit !== undefined) return unitGateway(site, unit)
  const process = processGateway(site, undefined)
  // Whatever runs without a unit is run on without one.
  if (process.kind !== 'none' || existsSync(site.configPath)) return process
  const wanted = await newUnit(site)
  return wanted === undefined ? process : newUnitGateway(site, wanted)
}
