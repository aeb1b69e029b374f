/** Who carries out orders: workers of their own, or for little work the thread that asks. */
import type { Primitives } from '@ocm/protocol'
import { FileWriter } from './file-writer.ts'
import type { WriteOrder, Written } from './orders.ts'

export interface Crew {
  /** How many orders are worked on at the same time. */
  readonly size: number
  /** @throws OcmError 'version-unsupported', and what node:fs throws */
  carryOut(order: WriteOrder): Promise<Written>
  /** Answers when nobody is at work any more. */
  end(): Promise<void>
}

/** @param tops see `OpenDirectories`. */
export function crewOfOne(p: Primitives, tops: readonly string[]): Crew {
  const writer = new FileWriter(p, tops)
  return {
    size: 1,
    carryOut: async (order) => writer.carryOut(order),
    end: async () => writer.close(),
  }
}

/** The crew that is worth its while. @param _bytes of content that are to be written. */
export function crewFor(p: Primitives, tops: readonly string[], _bytes: number): Crew {
  return crewOfOne(p, tops)
}
