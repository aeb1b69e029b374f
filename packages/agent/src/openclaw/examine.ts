/** What a capture holds, as operators are to see it. */
import { OcmError } from '@ocm/protocol'
import type { Captured, Findings } from '../installation.port.ts'
import type { Where } from './discovery.ts'

export function examine(captured: Captured, where: Where): Findings {
  throw new OcmError('internal', { entries: captured.entries.length, home: where.home })
}
