/** What people change of a plan's choices; a trial is on or off here, and the plan says only when there is none. */
import type { Choices, Selection } from '@ocm/protocol'

export type Chosen = Partial<Omit<Choices, 'kind' | 'trial' | 'only'>> & {
  readonly trial?: boolean
  /** Null for everything. */
  readonly only?: Selection | null
}

export function chooseAmong(
  { trial, only, roots, port, cron, gatewayToken, apiKeys, prose, allowUpgrade, partial }: Choices,
  { trial: wanted = trial !== false, only: parts = only ?? null, ...chosen }: Chosen,
): Omit<Choices, 'kind'> {
  return {
    roots,
    port,
    cron,
    gatewayToken,
    prose,
    allowUpgrade,
    ...(apiKeys === undefined ? {} : { apiKeys }),
    ...(partial === undefined ? {} : { partial }),
    ...chosen,
    ...(wanted ? {} : { trial: false as const }),
    ...(parts === null ? {} : { only: parts }),
  }
}
