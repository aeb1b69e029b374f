/** The vault, opened for one dialog or one flow and closed with it. */
import { type Unlocked, openVault } from '@ocm/operator'
import { onScopeDispose, shallowRef } from 'vue'
import { usePorts } from '../api/client.ts'
import { useTask } from './task.ts'

/** A page that was left open is not a vault that was left open. */
const LONGEST_MS = 30 * 60_000

export function useVault() {
  const ports = usePorts()
  const { busy, problem, run } = useTask()
  const unlocked = shallowRef<Unlocked>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let gone = false

  function close() {
    clearTimeout(timer)
    unlocked.value?.close()
    unlocked.value = undefined
  }
  onScopeDispose(() => {
    gone = true
    close()
  })

  /**
   * Opens the vault and does with it what it was opened for; stays open afterwards, until `close`.
   * @returns whether all of it was done; if not, `problem` says why and the vault is closed.
   */
  const openFor = (passphrase: string, work: (vault: Unlocked) => Promise<unknown>) =>
    run(async () => {
      close()
      const opened = await openVault(ports, passphrase)
      // Whoever asked for it may have left meanwhile.
      if (gone) return opened.close()
      unlocked.value = opened
      timer = setTimeout(close, LONGEST_MS)
      try {
        await work(opened)
      } catch (error) {
        close()
        throw error
      }
    })

  /** After the vault's record was written anew. */
  const renew = (next: Unlocked) => {
    unlocked.value = next
  }

  return { unlocked, busy, problem, openFor, close, renew }
}
