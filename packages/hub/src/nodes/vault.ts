/** What the hub keeps of the vault: the newest signed record and the wrapped slots. It can open neither. */
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

export interface CurrentVault {
  readonly root: Uint8Array
  readonly record: VaultRecord
  /** The record as it was signed. */
  readonly statement: Uint8Array
}

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

  function take(next: CurrentVault): void {
    current = next
    confirmed = new Map(next.record.nodes.map(({ id, key }) => [id, hex(key)]))
  }

  const keepCopies = async (record: Uint8Array) => {
    const slots = await catalog.slots()
    await packs.keepVault({ record, slots: slots.map(({ bytes }) => bytes) })
  }

  const needed = (): CurrentVault => {
    if (!current) throw new OcmError('not-found', { what: 'vault' })
    return current
  }

  return {
    async load() {
      const root = await catalog.root()
      const newest = await catalog.newestRecord()
      if (!root || !newest) return
      take({
        root,
        record: readVaultRecord(p, root, newest.bytes, newest.serial),
        statement: newest.bytes,
      })
      await keepCopies(newest.bytes)
    },
    current: () => current,
    needed,
    async state() {
      const { root, statement } = needed()
      const slots = await catalog.slots()
      return {
        root: base64url(root),
        record: base64url(statement),
        hubKey: base64url(hubKey),
        slots: slots.map(({ kind, operator, bytes }) => ({
          kind,
          operator,
          slot: base64url(bytes),
        })),
      }
    },
    async put(statement) {
      const { root, record: before } = needed()
      const record = readVaultRecord(p, root, statement, 0)
      if (record.serial !== before.serial + 1) throw new OcmError('vault-record-stale')
      // Agents would refuse a hub that is not in it, this one too.
      if (!record.hubs.some((hub) => equal(hub, hubKey))) {
        throw new OcmError('malformed', { what: 'vault record' })
      }
      if (!(await catalog.addRecord({ serial: record.serial, bytes: statement, at: now() }))) {
        throw new OcmError('vault-record-stale')
      }
      take({ root, record, statement })
      await keepCopies(statement)
      return record
    },
    isConfirmed: ({ id, key }) => confirmed.get(id) === hex(key),
  }
}
