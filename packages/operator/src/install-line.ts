/** The commands that fetch the installer from a hub, compare it, and run it: for the node's shell, with no secret in them. */
import type { InstallState } from '@ocm/protocol'

/**
 * The join string is typed in, so that it stands in no history. That a certificate is the hub's own is no matter: what
 * comes is compared.
 * @param url where the node reaches the hub
 * @param isOwn the hub serves a certificate that no authority vouches for
 * @returns undefined where the hub has no installer or no agent to install
 */
export function installLine(
  url: string,
  { installer, agent }: InstallState,
  isOwn: boolean,
): string | undefined {
  if (installer === null || agent === null) return undefined
  const insecure = isOwn ? ' -k' : ''
  const words = [`--hub ${url}`, `--agent-sha256 ${agent}`, ...(isOwn ? ['--self-signed'] : [])]
  return [
    `curl -fsS${insecure} -o install-agent.sh ${url}/install-agent.sh`,
    `echo "${installer}  install-agent.sh" | sha256sum -c`,
    `sh install-agent.sh ${words.join(' ')}`,
  ].join(' && ')
}
