/** What a node's disk held when each of its snapshots was taken, so that all of them can be asked for it again. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Operator } from './programs.ts'
import { treeOf } from './trees.ts'

export class KeptTrees {
  readonly #folder: string
  readonly #trees = new Map<string, ReturnType<typeof treeOf>>()

  /** @param folder with nothing in it that is still written to */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** To be called when a snapshot was taken, before anything else is written. */
  keep(snapshot: string): void {
    this.#trees.set(snapshot, treeOf(this.#folder))
  }

  /**
   * Recovers each snapshot that was kept, out of the bare store.
   * @returns how many there were, and those of which something else came out than lay there.
   */
  async comeBack(
    operator: Operator,
    store: string,
    ground: string,
  ): Promise<{ readonly kept: number; readonly wrong: readonly string[] }> {
    const wrong: string[] = []
    for (const [snapshot, tree] of this.#trees) {
      const to = join(ground, `back-${snapshot.slice(0, 12)}`)
      const { code, err } = await operator.ocm('recover', store, '--to', to, '--snapshot', snapshot)
      if (code !== 0) wrong.push(`${snapshot}: ${err}`)
      else if (!isDeepStrictEqual(treeOf(join(to, this.#folder)), tree)) wrong.push(snapshot)
      rmSync(to, { recursive: true, force: true })
    }
    return { kept: this.#trees.size, wrong }
  }
}
