/** Rows of the matrix that are more than one move, or none. */
import type { Play } from './row.ts'

export interface Special {
  readonly name: string
  readonly needs?: 'root'
  /** @returns what is wrong */
  run(play: Play, number: number): Promise<readonly string[]>
}

export const SPECIAL: readonly Special[] = []
