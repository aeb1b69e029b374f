/** Is the node that an unpacked archive is of, for as long as one capture takes. */
import { lstat, lutimes, symlink, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type AdoptErrand,
  type ErrandEvent,
  VERSION,
  fromBase64url,
  pathFromBytes,
} from '@ocm/protocol'
import { onDisk } from '../apply/disk.ts'
import type { Installation } from '../installation.port.ts'
import { createUnpacked } from '../openclaw/unpacked.ts'

/** An agent, as far as an errand needs one. */
export interface Guest {
  join(text: string): Promise<{ readonly node: string }>
  run(): Promise<{ stop(): Promise<void> }>
}

export interface AdoptParts {
  /** An agent of that installation, with its identity in `stateDir`. */
  readonly guest: (installation: Installation, stateDir: string) => Guest
  tell(event: ErrandEvent): Promise<void>
  /** Answers when the capture is done. */
  readonly finished: Promise<void>
}

/** @throws OcmError see joinHub */
export async function adopt(
  { guest, tell, finished }: AdoptParts,
  errand: AdoptErrand,
): Promise<{ readonly node: string }> {
  await makeLinks(errand)
  const { below, origin, leftOut, state: agentStateDir } = errand
  const unpacked = createUnpacked({
    below,
    origin,
    leftOut,
    agentStateDir,
    agentVersion: VERSION,
  })
  const agent = guest(unpacked, agentStateDir)
  const { node } = await agent.join(errand.join)
  const running = await agent.run()
  try {
    await tell({ kind: 'joined', node })
    await finished
  } finally {
    await running.stop()
  }
  return { node }
}

/** Everything else is there already, and each of them was found to stay inside. */
async function makeLinks({ below, links, origin }: AdoptErrand): Promise<void> {
  const at = Date.parse(origin.createdAt) / 1000
  for (const { path, target } of links) {
    const place = below + pathFromBytes(fromBase64url(path))
    const directory = onDisk(dirname(place))
    const { atimeMs, mtimeMs } = await lstat(directory)
    await symlink(Buffer.from(fromBase64url(target)), onDisk(place))
    if (Number.isFinite(at)) await lutimes(onDisk(place), at, at)
    await utimes(directory, atimeMs / 1000, mtimeMs / 1000)
  }
}
