/**
 * What this machine has seen of a vault and of its nodes: a hub that serves an older state, or another vault, is found
 * out. Losing it loses that protection and nothing else.
 */
import { OcmError, type StoredKind } from '@ocm/protocol'

/** A few short texts by key: localStorage in a browser, a file for the command. */
export interface Memory {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string): Promise<void>
}

/** Forgets when the program ends. */
export function volatileMemory(): Memory {
  const texts = new Map<string, string>()
  return {
    get: async (key) => texts.get(key),
    set: async (key, value) => void texts.set(key, value),
  }
}

/** The part of `localStorage` that is needed. */
export interface TextStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

export const storageMemory = (storage: TextStore): Memory => ({
  get: async (key) => storage.getItem(`ocm.${key}`) ?? undefined,
  set: async (key, value) => storage.setItem(`ocm.${key}`, value),
})

/** The highest serial of the vault record seen, 0 at first. */
export async function serialSeen(memory: Memory, vault: string): Promise<number> {
  return Number((await memory.get(`serial.${vault}`)) ?? 0)
}

export async function rememberSerial(memory: Memory, vault: string, serial: number): Promise<void> {
  if (serial > (await serialSeen(memory, vault))) {
    await memory.set(`serial.${vault}`, String(serial))
  }
}

/** The highest number seen of what the hub keeps of how a node is reached, 0 at first. */
export async function storedSeen(memory: Memory, kind: StoredKind, node: string): Promise<number> {
  return Number((await memory.get(`${kind}.${node}`)) ?? 0)
}

export async function rememberStored(
  memory: Memory,
  kind: StoredKind,
  node: string,
  serial: number,
): Promise<void> {
  if (serial > (await storedSeen(memory, kind, node))) {
    await memory.set(`${kind}.${node}`, String(serial))
  }
}

/**
 * Which vault a hub at this address serves; remembered at the first time.
 * @throws OcmError 'vault-changed'
 */
export async function pinVault(memory: Memory, hubUrl: string, vault: string): Promise<void> {
  const key = `vault.${hubUrl}`
  const pinned = await memory.get(key)
  if (pinned === undefined) return memory.set(key, vault)
  if (pinned !== vault) throw new OcmError('vault-changed')
}

/**
 * The newest snapshot of a node may not be older than one already seen, nor another one in its place.
 * @throws OcmError 'snapshot-refused'
 */
export async function rememberHead(
  memory: Memory,
  node: string,
  head: { readonly seq: number; readonly id: string },
): Promise<void> {
  const key = `head.${node}`
  const [seq = '0', id = ''] = ((await memory.get(key)) ?? '').split(' ')
  const seen = Number(seq)
  if (head.seq < seen)
    throw new OcmError('snapshot-refused', { why: 'older than one already seen' })
  if (head.seq === seen && head.id !== id) throw new OcmError('snapshot-refused', { why: 'chain' })
  if (head.seq > seen) await memory.set(key, `${head.seq} ${head.id}`)
}
