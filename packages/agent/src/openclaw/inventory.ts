/** What OpenClaw itself lists, read from its databases and files. */
import type { Inventory, Layout } from '@ocm/protocol'
import { OcmError } from '@ocm/protocol'
import type { Where } from './discovery.ts'

export function liveInventory(layout: Layout, where: Where): Inventory | null {
  throw new OcmError('internal', { layout: layout.port, home: where.home })
}
