/**
 * What this agent knows of its hub and its vault: who they are (pinned when it joined), where the hub is reached, and
 * the highest numbers seen, below which nobody takes it back.
 */
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import {
  Bytes,
  Count,
  Id,
  OcmError,
  type Primitives,
  Strict,
  type VaultRecord,
  decodeAs,
  readVaultRecord,
  toCbor,
} from '@ocm/protocol'
import { readDurable, writeDurable } from './store/durable.ts'

const Enrolled = Strict({
  v: Type.Literal(1),
  node: Id,
  urls: Type.Array(Type.String(), { minItems: 1 }),
  /** The hub's and the vault root's Ed25519 public keys. */
  hub: Bytes(32),
  root: Bytes(32),
  /** The one certificate that is taken over https; absent: any that an authority vouches for. */
  certificate: Type.Optional(Bytes(32)),
  /** The number the hub gave at the last handshake. */
  seq: Count,
  /** The highest link version spoken. */
  version: Count,
  /** The highest serial of a vault record. */
  serial: Count,
})
export type Enrolled = Static<typeof Enrolled>

const fileIn = (stateDir: string) => join(stateDir, 'enrolment')

/** @returns undefined when this agent has not joined a hub. */
export async function readEnrolment(stateDir: string): Promise<Enrolled | undefined> {
  const bytes = await readDurable(fileIn(stateDir))
  return bytes && decodeAs(Enrolled, bytes, 'enrolment')
}

export class Enrolment {
  readonly #stateDir: string
  #known: Enrolled
  /** Writes are one after the other: the file is replaced whole. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(stateDir: string, known: Enrolled) {
    this.#stateDir = stateDir
    this.#known = known
  }

  /** @throws OcmError 'not-enrolled' */
  static async open(stateDir: string): Promise<Enrolment> {
    const known = await readEnrolment(stateDir)
    if (!known) throw new OcmError('not-enrolled')
    return new Enrolment(stateDir, known)
  }

  static async create(stateDir: string, known: Enrolled): Promise<void> {
    await writeDurable(fileIn(stateDir), toCbor(known))
  }

  get known(): Enrolled {
    return this.#known
  }

  /** Answers when it is on disk. */
  async welcomed(seq: number, version: number): Promise<void> {
    await this.#change((known) => ({ seq, version: Math.max(version, known.version) }))
  }

  /** Where the hub is reached from now on; answers when it is on disk. */
  async rehome(urls: readonly string[]): Promise<void> {
    await this.#change(() => ({ urls: [...urls] }))
  }

  /** @throws OcmError 'signature-invalid', 'vault-changed', 'vault-record-stale' */
  async acceptRecord(p: Primitives, bytes: Uint8Array): Promise<VaultRecord> {
    const record = readVaultRecord(p, this.#known.root, bytes, this.#known.serial)
    if (record.serial > this.#known.serial) {
      await this.#change((known) => ({ serial: Math.max(record.serial, known.serial) }))
    }
    return record
  }

  /** What is known follows what is on disk: a number that was shown and then forgotten would look like a clone's. */
  #change(change: (known: Enrolled) => Partial<Enrolled>): Promise<void> {
    const written = this.#writing.then(() => this.#write(change))
    // A write that failed is told to whoever waits for it; the next one is tried all the same.
    this.#writing = written.catch(() => undefined)
    return written
  }

  async #write(change: (known: Enrolled) => Partial<Enrolled>): Promise<void> {
    const next = { ...this.#known, ...change(this.#known) }
    await writeDurable(fileIn(this.#stateDir), toCbor(next))
    this.#known = next
  }
}
