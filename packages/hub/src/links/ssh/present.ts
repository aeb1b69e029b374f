/** Whether there is an OpenSSH client that can do what we ask of it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { OcmError } from '@ocm/protocol'

/** The first with KnownHostsCommand. */
const LEAST = { major: 8, minor: 5 }
const run = promisify(execFile)

/** Asked each time: it may be installed while the hub runs. @throws OcmError 'ssh-missing' */
export async function checkSsh(): Promise<void> {
  try {
    const { stderr, stdout } = await run('ssh', ['-V'], { timeout: 5_000 })
    const [, major, minor] = /OpenSSH_(\d+)\.(\d+)/.exec(stderr + stdout) ?? []
    const isNew =
      Number(major) > LEAST.major || (Number(major) === LEAST.major && Number(minor) >= LEAST.minor)
    if (isNew) return
  } catch (cause) {
    throw new OcmError('ssh-missing', {}, { cause })
  }
  throw new OcmError('ssh-missing')
}
