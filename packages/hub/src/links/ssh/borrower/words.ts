/** What the hub and one of its borrowers say to each other, a line of JSON each. Nothing here is a credential in clear. */
import type { Facts } from '@ocm/protocol'
import type { Packed } from '../packed.ts'

export interface Task {
  readonly lease: string
  readonly look: boolean
  /** What the name of its directory begins with, see rooms.ts. */
  readonly rooms: string
  /** A program of ours, see askpass.ts. */
  readonly askpass: string
  /** The agent's program; a look needs none. */
  readonly bundle: Packed | null
}

export type ToBorrower =
  | { readonly do: 'begin'; readonly task: Task }
  /** base64url, sealed to the key that the borrower said. */
  | { readonly do: 'lent'; readonly sealed: string }
  /** Sealed to the key in this file, which only the borrower reads. */
  | {
      readonly do: 'delegated'
      readonly sealed: string
      readonly node: string
      readonly keyFile: string
    }
  /** The hub has both pipes open. */
  | { readonly do: 'taken' }

export type FromBorrower =
  | { readonly said: 'key'; readonly key: string }
  /** Where it keeps what ssh needs to find by a path; removed by whoever lives longer. */
  | { readonly said: 'room'; readonly room: string }
  | { readonly said: 'ssh'; readonly pid: number }
  /** Two FIFOs, and what has come already; the credential is gone. */
  | {
      readonly said: 'ready'
      readonly input: string
      readonly output: string
      readonly rest: string
    }
  | { readonly said: 'keys'; readonly keys: readonly string[] }
  | { readonly said: 'failed'; readonly code: string; readonly facts: Facts }
  | { readonly said: 'over' }
