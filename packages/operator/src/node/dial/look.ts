/** Which keys a host shows to this machine. ssh itself asks for the pinned ones, is told of none, and goes no further. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OcmError, type SshConnection, checkHostKey, sshArguments, sshProblem } from '@ocm/protocol'
import { placeFor } from './places.ts'

/** Writes down what it is told beside itself. Before there is a key, ssh asks for the order of kinds and tells none. */
const PROGRAM = '#!/bin/sh\n[ "$3" = NONE ] || printf "%s %s\\n" "$2" "$3" >> "${0%/*}/shown"\n'
const STDERR_KEPT = 4000

/** @returns lines as `hostKeys` of a connection has them. @throws OcmError 'ssh-unreachable', 'ssh-missing', … */
export async function lookFromHere(connection: SshConnection): Promise<readonly string[]> {
  const place = await placeFor(connection)
  try {
    const look = join(place.path, 'look')
    await writeFile(look, PROGRAM, { mode: 0o700 })
    const args = sshArguments({ connection, offer: 'own', places: place.places, look })
    const child = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (part: Buffer) => {
      said = (said + part.toString('latin1')).slice(-STDERR_KEPT)
    })
    const exitCode = await exitOf(child)
    const shown = await readFile(join(place.path, 'shown'), 'latin1').catch(() => '')
    const keys = shown.split('\n').filter((line) => line !== '')
    if (keys.length === 0) throw sshProblem({ stderr: said, exitCode })
    return [...new Set(keys.map(checkHostKey))]
  } finally {
    await place.remove()
  }
}

/** @throws OcmError 'ssh-missing' */
export async function exitOf(child: ReturnType<typeof spawn>): Promise<number | null> {
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return code
  } catch (cause) {
    throw new OcmError('ssh-missing', {}, { cause })
  }
}
