/** The test's side of halt.ts: one directory for each program that is to stand still or die somewhere. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const HALT = fileURLToPath(new URL('./halt.ts', import.meta.url))

export interface Met {
  /** Such as `target swapping` or `hub fence running 2`. */
  readonly label: string
  /** It is on the disk, or is about to be. */
  readonly when: 'before' | 'after'
}

export class Halting {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
  }

  /** What has been journalled since the last `clear`, in order. */
  get trace(): readonly (Met & { readonly at: number })[] {
    const file = join(this.folder, 'trace')
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => JSON.parse(line) as Met & { at: number })
  }

  clear(): void {
    for (const name of ['trace', 'at', 'met', 'go'])
      rmSync(join(this.folder, name), { force: true })
  }

  order(point: Met, act: 'die' | 'stand'): void {
    this.clear()
    writeFileSync(join(this.folder, 'at'), JSON.stringify({ ...point, act }))
  }

  get isMet(): boolean {
    return existsSync(join(this.folder, 'met'))
  }

  go(): void {
    writeFileSync(join(this.folder, 'go'), '')
  }
}
