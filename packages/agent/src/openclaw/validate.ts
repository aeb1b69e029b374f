/** Asks this machine's OpenClaw whether it would take a staged tree, without letting it touch that tree. */
import { OcmError } from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'

/**
 * @param bin the `openclaw` command.
 * @throws OcmError 'openclaw-missing', 'openclaw-older', 'openclaw-unhealthy'
 */
export function validateStaged(staged: Staged, bin: string | null): Promise<void> {
  return Promise.reject(new OcmError('internal', { port: staged.port, bin: bin !== null }))
}
