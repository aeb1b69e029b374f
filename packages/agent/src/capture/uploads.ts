/** Packs on their way to the hub, two at a time. Each has been read back before it leaves. */
import { OcmError, type Primitives, equal, openPack } from '@ocm/protocol'
import type { CaptureHub } from './hub.port.ts'
import type { PackedPack } from './packing.ts'

const IN_FLIGHT = 2

export class Uploads {
  readonly #p: Primitives
  readonly #hub: Pick<CaptureHub, 'put'>
  readonly #acknowledged: (pack: PackedPack) => Promise<void>
  readonly #flying = new Set<Promise<void>>()
  #failed: { readonly error: unknown } | undefined

  constructor(
    p: Primitives,
    hub: Pick<CaptureHub, 'put'>,
    acknowledged: (pack: PackedPack) => Promise<void>,
  ) {
    this.#p = p
    this.#hub = hub
    this.#acknowledged = acknowledged
  }

  /** Answers when there is room for another, which bounds what waits in memory. @throws what an earlier one failed with */
  async send(pack: PackedPack): Promise<void> {
    await readBack(this.#p, pack)
    while (this.#flying.size >= IN_FLIGHT) await Promise.race(this.#flying)
    this.#throwFailed()
    const flight = this.#fly(pack).finally(() => this.#flying.delete(flight))
    this.#flying.add(flight)
  }

  /** Answers when the hub holds all of them. */
  async landed(): Promise<void> {
    await this.abandoned()
    this.#throwFailed()
  }

  /** Answers when nothing is on its way any more, whatever became of it. */
  async abandoned(): Promise<void> {
    await Promise.all(this.#flying)
  }

  async #fly(pack: PackedPack): Promise<void> {
    try {
      await this.#hub.put(pack.id, pack.class, pack.bytes)
      await this.#acknowledged(pack)
    } catch (error) {
      this.#failed ??= { error }
    }
  }

  #throwFailed(): void {
    if (this.#failed) throw this.#failed.error
  }
}

/** The node cannot read a pack once the run is over: whatever is wrong with it has to show now. */
async function readBack(p: Primitives, pack: PackedPack): Promise<void> {
  // Its id has just been made of its bytes.
  const expected = { header: pack.header }
  const open = await openPack(p, pack.bytes, { packKey: pack.key }, expected)
  for (const { segment, sha256 } of pack.samples) {
    if (!equal(p.sha256(await open.segment(segment)), sha256)) {
      throw new OcmError('pack-damaged', { pack: pack.id })
    }
  }
}
