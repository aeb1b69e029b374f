import { OcmError } from '@ocm/protocol'
import type { Terminal } from './terminal.ts'

/** Of something that went wrong while everything else goes on. */
export function sayError({ say }: Terminal, error: unknown): void {
  if (error instanceof OcmError) say(`${error.message} ${error.next} (${error.code})`)
  else say(String(error))
}
