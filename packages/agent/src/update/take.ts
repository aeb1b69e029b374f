/** Taking a release: verified, fetched, asked for its version, written down as to be tried. Nothing of what runs is touched. */
import { chmod } from 'node:fs/promises'
import {
  type AgentSession,
  OcmError,
  type Primitives,
  failedCapability,
  fitsRelease,
  readRelease,
  releaseCapability,
  TRIAL_CAPABILITY,
} from '@ocm/protocol'
import { run } from '../openclaw/run.ts'
import { writeDurable } from '../store/durable.ts'
import { RELEASE_KEY, RELEASE_SERIAL } from './baked.ts'
import { keep, programOf, readKept, refusal, removeProgram, serialOf } from './kept.ts'
import { isOnTrial } from './trial.ts'

const PIECE = 512 * 1024
const FETCH_MS = 600_000
const ASK_MS = 15_000

/** What the hello says of updates; nothing where this agent takes none. */
export async function updateCapabilities(
  stateDir: string,
  fault: (error: unknown) => void,
): Promise<string[]> {
  if (RELEASE_KEY === undefined) return []
  try {
    const { failed } = await readKept(stateDir)
    return [
      releaseCapability(RELEASE_SERIAL),
      ...(failed === null ? [] : [failedCapability(failed)]),
      ...(isOnTrial ? [TRIAL_CAPABILITY] : []),
    ]
  } catch (error) {
    // It works on without updates.
    fault(error)
    return []
  }
}

/** @throws OcmError 'release-refused', 'signature-invalid' */
export async function takeRelease(
  p: Primitives,
  stateDir: string,
  session: AgentSession,
  statement: Uint8Array,
): Promise<void> {
  if (RELEASE_KEY === undefined)
    throw new OcmError('release-refused', { why: 'built without a key' })
  const release = readRelease(p, RELEASE_KEY, statement)
  const kept = await readKept(stateDir)
  const good = (kept.good && serialOf(p, RELEASE_KEY, kept.good)) ?? 0
  const why = refusal(release.serial, { runs: RELEASE_SERIAL, good, failed: kept.failed })
  if (why !== undefined) throw new OcmError('release-refused', { why })

  const bytes = await fetchProgram(session, release)
  if (!fitsRelease(p, release, bytes)) throw new OcmError('release-refused', { why: 'damaged' })
  const program = programOf(stateDir, release.serial)
  await writeDurable(program, bytes)
  await chmod(program, 0o600)
  const said = await run(process.execPath, [program, '--version'], { timeoutMs: ASK_MS })
  if (said?.status !== 0) {
    await removeProgram(stateDir, release.serial)
    throw new OcmError('release-refused', { why: 'does not run' })
  }
  await keep(stateDir, { ...kept, trial: { statement, starts: 0 } })
}

async function fetchProgram(
  session: AgentSession,
  { serial, bytes }: { readonly serial: number; readonly bytes: number },
): Promise<Uint8Array> {
  const whole = new Uint8Array(bytes)
  for (let offset = 0; offset < bytes; offset += PIECE) {
    const length = Math.min(PIECE, bytes - offset)
    const params = { serial, offset, length }
    const { body } = await session.request('release.get', params, { deadlineMs: FETCH_MS })
    let at = offset
    for await (const part of body) {
      if (at + part.length > offset + length) break
      whole.set(part, at)
      at += part.length
    }
  }
  return whole
}
