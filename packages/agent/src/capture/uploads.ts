/** Packs on their way to the hub, two at a time. */
import type { CaptureHub } from './hub.port.ts'
import type { PackedPack } from './packing.ts'

const IN_FLIGHT = 2

export class Uploads {
  readonly #hub: Pick<CaptureHub, 'put'>
  readonly #acknowledged: (pack: PackedPack) => Promise<void>
  readonly #flying = new Set<Promise<void>>()
  #failed: { readonly error: unknown } | undefined

  constructor(hub: Pick<CaptureHub, 'put'>, acknowledged: (pack: PackedPack) => Promise<void>) {
    this.#hub = hub
    this.#acknowledged = acknowledged
  }

  /** Answers when there is room for another, which bounds what waits in memory. @throws what an earlier one failed with */
  async send(pack: PackedPack): Promise<void> {
    await this.#begin(pack)
  }

  /** Answers when the hub holds it and its memory is free. @throws what it or an earlier one failed with */
  async sendWhole(pack: PackedPack): Promise<void> {
    const { flight } = await this.#begin(pack)
    await flight
    this.#throwFailed()
  }

  async #begin(pack: PackedPack): Promise<{ readonly flight: Promise<void> }> {
    while (this.#flying.size >= IN_FLIGHT) await Promise.race(this.#flying)
    this.#throwFailed()
    const flight = this.#fly(pack).finally(() => this.#flying.delete(flight))
    this.#flying.add(flight)
    return { flight }
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
