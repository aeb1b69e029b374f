import { base64url, OcmError } from '@ocm/protocol'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import type { VaultKeeper } from '../nodes/vault.ts'
import type { Work } from './work.ts'

export interface BackupNeeds {
  readonly snapshots: SnapshotCatalog
  readonly vault: VaultKeeper
}

export async function backUp(work: Work, { snapshots, vault }: BackupNeeds): Promise<void> {
  const { id, node } = work.job
  await work.step('capture', async () => {
    const { snapshot } = await work.ask(node, 'capture', async () => ({
      job: id,
      trigger: work.stored.trigger,
      record: base64url(vault.needed().statement),
    }))
    // The agent's word is not enough: it is there, and it is this node's.
    const there = await snapshots.snapshot(snapshot)
    if (there?.node !== node) throw new OcmError('not-found', { what: 'snapshot' })
    const { warnings, unstable, unreadable } = there.metrics
    await work.save({}, { snapshot, warnings: warnings + unstable + unreadable })
  })
}
