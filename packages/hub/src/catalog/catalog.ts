/** The catalog as the hub sees it, whatever it lies in. */
import { adoptingIn } from './adopting.ts'
import { auditIn } from './audit.ts'
import { checksIn } from './checks.ts'
import { collectingIn } from './collecting.ts'
import { jobsIn } from './jobs.ts'
import { keepingIn } from './keeping.ts'
import { nodesIn } from './nodes.ts'
import { peopleIn } from './people.ts'
import { schedulesIn } from './schedules.ts'
import type { Database } from './schema.ts'
import { snapshotsIn } from './snapshots.ts'
import { sshNodesIn } from './ssh.ts'
import { vaultIn } from './vault.ts'

/** @param db with every step taken */
export const catalogOver = (db: Database) => ({
  people: peopleIn(db),
  audit: auditIn(db),
  vault: vaultIn(db),
  nodes: nodesIn(db),
  snapshots: snapshotsIn(db),
  jobs: jobsIn(db),
  schedules: schedulesIn(db),
  adopting: adoptingIn(db),
  sshNodes: sshNodesIn(db),
  keeping: { ...keepingIn(db), ...collectingIn(db), ...checksIn(db) },
  /** @throws when the catalog cannot be written */
  async probe() {
    await db.updateTable('vault').set({ id: 1 }).execute()
  },
  close: () => db.destroy(),
})
export type Catalog = ReturnType<typeof catalogOver>
