/**
 * A store that is far away may not be there when the vault changes. The change counts all the same, by the catalog; the
 * copy that a recovery without a hub needs is made as soon as that is possible, and not at the next start.
 */
import type { Logger } from 'pino'
import type { Packs } from '../nodes/ports.ts'

const EVERY_MS = 60_000

type Vault = Parameters<Packs['keepVault']>[0]

export interface VaultAgain extends Pick<Packs, 'keepVault'> {
  /** What is not kept by then is kept at the next start. */
  stop(): void
}

export function keepsVaultAgain(
  packs: Pick<Packs, 'keepVault'>,
  log: Pick<Logger, 'warn' | 'info'>,
  everyMs = EVERY_MS,
): VaultAgain {
  let wanted: Vault | undefined
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()
  let isStopped = false

  /** One after the other, so that an older one does not come after a newer. */
  function keep(vault: Vault): Promise<void> {
    const turn = last.then(() => keepNow(vault))
    last = turn.catch(later)
    return turn
  }

  async function keepNow(vault: Vault): Promise<void> {
    if (wanted !== vault) return
    await packs.keepVault(vault)
    if (wanted === vault) wanted = undefined
  }

  function later(error: unknown): void {
    log.warn({ err: error }, 'the vault is not kept beside the packs yet')
    clearTimeout(timer)
    if (isStopped) return
    timer = setTimeout(again, everyMs)
    timer.unref()
  }

  function again(): void {
    if (!wanted) return
    keep(wanted).then(
      () => log.info('the vault is kept beside the packs'),
      // Said already.
      () => undefined,
    )
  }

  return {
    keepVault(vault) {
      wanted = vault
      return keep(vault)
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
