/**
 * A version of the agent that is offered to nodes. It is signed by a release key whose public half stands in the agent
 * that takes it; the hub holds neither half, stores what an operator brings and can offer nothing of its own. A file of
 * one release is the statement and the program.
 */
import { type Static, Type } from 'typebox'
import { equal } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { Bytes, Strict, decodeAs } from './shapes.ts'
import { claimedBody, makeStatement, readStatement } from './statements.ts'

const MOST_BYTES = 16 * 1024 * 1024

export const AgentRelease = Strict({
  v: Type.Literal(1),
  /** For people. */
  version: Type.String({ minLength: 1, maxLength: 32 }),
  /** Rises with each release. What counts is this: no agent goes to one that is not higher than its own. */
  serial: Type.Integer({ minimum: 1 }),
  bytes: Type.Integer({ minimum: 1, maximum: MOST_BYTES }),
  sha256: Bytes(32),
})
export type AgentRelease = Static<typeof AgentRelease>

const ReleaseFile = Strict({ v: Type.Literal(1), statement: Bytes(), program: Bytes() })

/** @returns the bytes of a release's file. */
export function makeRelease(
  p: Primitives,
  wish: Pick<AgentRelease, 'version' | 'serial'>,
  program: Uint8Array,
  key: KeyPair,
): Uint8Array {
  const { version, serial } = wish
  const sha256 = p.sha256(program)
  const release: AgentRelease = { v: 1, version, serial, bytes: program.length, sha256 }
  return toCbor({ v: 1, statement: makeStatement(p, 'agent-release', release, key), program })
}

/**
 * What stands in a file, for whoever has no key to verify it with: whole it has to be.
 * @throws OcmError 'malformed'
 */
export function openRelease(p: Primitives, file: Uint8Array) {
  const { statement, program } = decodeAs(ReleaseFile, file, 'release')
  const release = claimedBody(AgentRelease, 'agent-release', statement)
  if (!fitsRelease(p, release, program)) throw new OcmError('malformed', { what: 'release' })
  return { release, statement, program }
}

export const fitsRelease = (
  p: Primitives,
  { bytes, sha256 }: Pick<AgentRelease, 'bytes' | 'sha256'>,
  program: Uint8Array,
): boolean => program.length === bytes && equal(p.sha256(program), sha256)

/** @throws OcmError 'malformed', 'signature-invalid' */
export const readRelease = (p: Primitives, key: Uint8Array, statement: Uint8Array): AgentRelease =>
  readStatement(p, 'agent-release', AgentRelease, statement, [key])

/** How an agent says in its hello which release it is, and which one it went back from. */
export const releaseCapability = (serial: number): string => `release:${serial}`
export const failedCapability = (serial: number): string => `failed:${serial}`
/** The release that it is has not proved itself yet. */
export const TRIAL_CAPABILITY = 'trial'

/** `serial` is undefined of an agent that takes no updates. */
export function releaseOf(capabilities: readonly string[]): {
  readonly serial: number | undefined
  readonly failed: number | undefined
  readonly onTrial: boolean
} {
  const find = (word: string) => {
    const text = capabilities.find((one) => one.startsWith(`${word}:`))?.slice(word.length + 1)
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }
  const onTrial = capabilities.includes(TRIAL_CAPABILITY)
  return { serial: find('release'), failed: find('failed'), onTrial }
}
