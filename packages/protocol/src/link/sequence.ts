/**
 * Finds out that two machines use one identity. The hub gives a number at each handshake, the agent has it on disk
 * before it answers, and at the next handshake shows it: of two machines that were copied from one, the second to
 * come shows a number that has been used.
 */
export interface Sequence {
  /** The last number that the agent is known to have written down; 0 before the first, or WHOEVER_COMES. */
  readonly stored: number
  /** The last number given, if it may or may not have been written down. */
  readonly pending: number | null
}

/** An operator says that of two machines with one identity only one is left: it is taken with the number it shows. */
export const WHOEVER_COMES = -1

export type SequenceVerdict =
  /**
   * Put `keep` on disk, then give `keep.pending` in the welcome; when the agent is ready, that is what is stored.
   * `behind`: it shows a number that this hub does not know to have given, so its catalog was set back. Worth a warning.
   */
  | {
      readonly kind: 'good'
      readonly behind: boolean
      readonly keep: { readonly stored: number; readonly pending: number }
    }
  /** An old number: another machine has gone on with this identity, or this one was set back to an older state. */
  | { readonly kind: 'cloned' }

/** @param shown `seq` of the agent's hello. */
export function judgeSequence({ stored, pending }: Sequence, shown: number): SequenceVerdict {
  const highest = Math.max(stored, pending ?? 0)
  const behind = shown > highest
  const isExpected = shown === stored || shown === pending || stored === WHOEVER_COMES
  if (!behind && !isExpected) return { kind: 'cloned' }
  // Never a number that was given before: of two machines that got one each, one will show an old one.
  return { kind: 'good', behind, keep: { stored: shown, pending: Math.max(shown, highest) + 1 } }
}

/** What to keep of a node that was shut out because two machines used its identity, and of which one is left. */
export const oneIsLeft = ({ stored, pending }: Sequence): Sequence => ({
  stored: WHOEVER_COMES,
  // No number is given twice: should the other machine come after all, it is found out.
  pending: Math.max(stored, pending ?? 0),
})

/** What to keep when the agent says that it is ready. */
export const settleSequence = (given: number): Sequence => ({ stored: given, pending: null })
