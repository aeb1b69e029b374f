/** What the hub keeps of the vault: the newest signed record, the wrapped slots, the sealed epochs. It can open none. */
import {
  base64url,
  equal,
  hex,
  OcmError,
  type Primitives,
  readVaultRecord,
  type VaultRecord,
  type VaultState,
} from '@ocm/protocol'
import type { Packs, VaultCatalog } from './ports.ts'
import { type CurrentVault, readChange } from './vault-change.ts'

export interface VaultKeeper {
  /** Reads what the catalog holds: at a start and after set-up. Writes the copies beside the packs again. */
  load(): Promise<void>
  /** Undefined before set-up. */
  current(): CurrentVault | undefined
  /** @throws OcmError 'not-found' before set-up */
  needed(): CurrentVault
  state(): Promise<VaultState>
  /** @throws OcmError 'signature-invalid', 'vault-record-stale' when the serial is not the next one, 'malformed' */
  put(statement: Uint8Array): Promise<VaultRecord>
  /**
   * Slots, record and epoch together: all of it in one transaction, or nothing. Operators whom the record no longer lists lose their
   * accounts with it. The copies beside the packs follow, new slots before the old ones go.
   * @throws OcmError 'signature-invalid', 'malformed'; 'vault-record-stale' when it was made over another state
   */
  change(statement: Uint8Array): Promise<VaultRecord>
  /** Listed in the newest record, with this key. */
  isConfirmed(node: { readonly id: string; readonly key: Uint8Array }): boolean
}

export interface VaultNeeds {
  readonly p: Primitives
  readonly catalog: VaultCatalog
  readonly packs: Packs
  readonly hubKey: Uint8Array
  readonly now: () => number
}

export function createVaultKeeper({ p, catalog, packs, hubKey, now }: VaultNeeds): VaultKeeper {
  let current: CurrentVault | undefined
  let confirmed: ReadonlyMap<string, string> = new Map()
  let last: Promise<unknown> = Promise.resolve()

  /** One writer after the other: each is judged by what the one before left. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work)
    // Whoever asked for it hears of its failure.
    last = turn.catch(() => undefined)
    return turn
  }

  function take(next: CurrentVault): void {
    current = next
    confirmed = new Map(next.record.nodes.map(({ id, key }) => [id, hex(key)]))
  }

  const keepCopies = async (record: Uint8Array) => {
    const slots = (await catalog.slots()).map(({ bytes }) => bytes)
    await packs.keepVault({ record, slots, epochs: await catalog.epochs() })
  }

  const needed = (): CurrentVault => {
    if (!current) throw new OcmError('not-found', { what: 'vault' })
    return current
  }

  return {
    load: () =>
      inTurn(async () => {
        const root = await catalog.root()
        const newest = await catalog.newestRecord()
        if (!root || !newest) return
        take({
          root,
          record: readVaultRecord(p, root, newest.bytes, newest.serial),
          statement: newest.bytes,
        })
        await keepCopies(newest.bytes)
      }),
    current: () => current,
    needed,
    async state() {
      const { root, statement } = needed()
      const [slots, epochs] = [await catalog.slots(), await catalog.epochs()]
      return {
        root: base64url(root),
        record: base64url(statement),
        hubKey: base64url(hubKey),
        slots: slots.map(({ kind, operator, bytes }) => ({
          kind,
          operator,
          slot: base64url(bytes),
        })),
        epochs: epochs.map(({ epoch, bytes }) => ({ epoch, statement: base64url(bytes) })),
      }
    },
    put: (statement) =>
      inTurn(async () => {
        const { root, record: before } = needed()
        const record = readVaultRecord(p, root, statement, 0)
        if (record.serial !== before.serial + 1) throw new OcmError('vault-record-stale')
        // Agents would refuse a hub that is not in it, this one too. A new epoch comes with its slots.
        const fits =
          record.hubs.some((hub) => equal(hub, hubKey)) &&
          record.epoch === before.epoch &&
          equal(record.sealing, before.sealing)
        if (!fits) throw new OcmError('malformed', { what: 'vault record' })
        if (!(await catalog.addRecord({ serial: record.serial, bytes: statement, at: now() }))) {
          throw new OcmError('vault-record-stale')
        }
        take({ root, record, statement })
        await keepCopies(statement)
        return record
      }),
    change: (statement) =>
      inTurn(async () => {
        const before = needed()
        const slots = (await catalog.slots()).map(({ bytes }) => bytes)
        const next = readChange(p, { ...before, slots, hubKey }, statement)
        if (!(await catalog.change({ ...next.stored, at: now() }))) {
          throw new OcmError('vault-record-stale')
        }
        take({ root: before.root, record: next.record, statement: next.statement })
        await keepCopies(next.statement)
        return next.record
      }),
    isConfirmed: ({ id, key }) => confirmed.get(id) === hex(key),
  }
}
