/** One tool of the comparison. Each step is done on the same tree as it is right then. */
import type { Taken } from './measured.ts'

export const STEPS = ['first', 'unchanged', 'changed', 'restore', 'oneFile', 'verify'] as const
export type Step = (typeof STEPS)[number]

export interface Contender {
  readonly name: string
  readonly version: string
  /** Its way of each step; `first` begins with a store that is empty. Steps that it does not have are left out. */
  readonly steps: Readonly<Partial<Record<Step, () => Promise<Taken>>>>
  /** Bytes that it keeps. */
  stored(): number
  /** Seconds for starting and deriving keys, measured now: `seconds` of every step are without them. */
  readonly opening?: () => Promise<Taken>
  /** Where the last restore lies, to compare it with what was there; undefined when it is in place. */
  readonly restored?: string
  stop(): Promise<void>
}
