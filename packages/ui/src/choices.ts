/** What people change of a plan's choices; a trial is on or off here, and the plan says only when there is none. */
import type { Choices } from '@ocm/protocol'

export type Chosen = Partial<Omit<Choices, 'kind' | 'trial'>> & { readonly trial?: boolean }

export function chooseAmong(
  { kind: _, trial, ...before }: Choices,
  { trial: wanted = trial !== false, ...chosen }: Chosen,
): Omit<Choices, 'kind'> {
  return { ...before, ...chosen, ...(wanted ? {} : { trial: false as const }) }
}
