/** The vault's public side: its record, its slots, its epochs. */
import { PutRecord, PutVault, Strict, VaultState } from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import type { Roster } from '../nodes/roster.ts'
import type { VaultKeeper } from '../nodes/vault.ts'
import type { Audit } from '../people/ports.ts'
import { bytesOf } from './bytes.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface VaultRouteNeeds {
  readonly vault: VaultKeeper
  readonly roster: Roster
  readonly audit: Audit
  readonly now: () => number
}

/** A record lists every node of the fleet. */
const RECORD_BYTES = 8 * 1024 * 1024

export function vaultRoutes(api: FastifyInstance, needs: VaultRouteNeeds): void {
  const { vault, roster, audit, now } = needs

  route(api, 'GET', '/vault', { answer: VaultState }, () => vault.state())

  route(
    api,
    'PUT',
    '/vault',
    { body: PutVault, answer: Strict({}), bodyLimit: RECORD_BYTES },
    async (request) => {
      const before = vault.needed().record
      const actor = operatorOf(request).name
      const record = await vault.change(bytesOf(request.body.change, 'change of the vault'))
      const action = record.epoch === before.epoch ? 'vault-slots' : 'vault-epoch'
      const subject = String(record.epoch === before.epoch ? record.serial : record.epoch)
      await audit.note({ at: now(), actor, action, subject })
      if (record.serial !== before.serial) await roster.judge()
      return {}
    },
  )

  route(
    api,
    'PUT',
    '/vault/record',
    { body: PutRecord, answer: Strict({}), bodyLimit: RECORD_BYTES },
    async (request) => {
      const { serial } = await vault.put(bytesOf(request.body.record, 'vault record'))
      const actor = operatorOf(request).name
      await audit.note({ at: now(), actor, action: 'vault-record', subject: String(serial) })
      await roster.judge()
      return {}
    },
  )
}
