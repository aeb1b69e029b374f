/**
 * The hub as use cases see it, over whatever session there is at the moment. Work outlives a session: what is asked
 * while there is none fails with 'link-lost', and the hub asks for the work again when the node is back.
 */
import {
  type AgentSession,
  type JobId,
  type LinkEvents,
  OcmError,
  type PackId,
  type Primitives,
  base64url,
  free,
  fromBase64url,
  sealJobLog,
} from '@ocm/protocol'
import type { Hub as ApplyHub } from './apply/hub.port.ts'
import type { CaptureHub } from './capture/hub.port.ts'

/** A pack of 16 MiB over a slow line. */
const TRANSFER_MS = 600_000
/** Letters. Sealed and written as text, three bytes each still fit what the hub keeps of one line. */
const LOG_PIECE = 6000

export class HubLine implements ApplyHub {
  readonly #p: Primitives
  /** The vault's sealing key, from the newest record. */
  readonly #sealing: () => Uint8Array | undefined
  #session: AgentSession | undefined

  constructor(p: Primitives, sealing: () => Uint8Array | undefined) {
    this.#p = p
    this.#sealing = sealing
  }

  /** Answers when the session has ended. */
  async attach(session: AgentSession): Promise<void> {
    this.#session = session
    await session.closed
    if (this.#session === session) this.#session = undefined
  }

  get isUp(): boolean {
    return this.#session !== undefined
  }

  async readPack(
    job: JobId,
    pack: PackId,
    offset: number,
    length: number,
    into = new Uint8Array(length),
  ): Promise<Uint8Array> {
    const params = { job, id: pack, offset, length }
    const { body } = await this.#now().request('pack.get', params, { deadlineMs: TRANSFER_MS })
    let got = 0
    for await (const part of body) {
      if (got + part.length > length) throw new OcmError('pack-damaged', { pack })
      into.set(part, got)
      got += part.length
      free(part)
    }
    return into.subarray(0, got)
  }

  progress(report: LinkEvents['job.progress']): void {
    this.#session?.emit('job.progress', report)
  }

  log(job: JobId, text: string): void {
    const sealing = this.#sealing()
    if (!sealing) return // Before the first record nobody could open it.
    for (let at = 0; at < text.length; at += LOG_PIECE) {
      const piece = text.slice(at, at + LOG_PIECE).toWellFormed()
      this.#session?.emit('job.log', {
        job,
        sealed: base64url(sealJobLog(this.#p, sealing, job, piece)),
      })
    }
  }

  /** The same line, for the capture of one job. */
  forCapture(job: JobId): CaptureHub {
    return {
      missing: async (ids) => {
        const { result } = await this.#now().request('pack.missing', { ids: [...ids] })
        return result.missing
      },
      put: async (id, packClass, bytes) => {
        await this.#now().request(
          'pack.put',
          { id, bytes: bytes.length, class: packClass },
          { body: pieces(bytes), deadlineMs: TRANSFER_MS },
        )
      },
      commit: async (forJob, header) => {
        const params = { job: forJob, header: base64url(header) }
        return (await this.#now().request('snapshot.commit', params)).result
      },
      head: async () => {
        const { header } = (await this.#now().request('snapshot.head', {})).result
        return header === '' ? null : fromBase64url(header)
      },
      progress: (phase, done, total, unit) => this.progress({ job, phase, done, total, unit }),
      log: (text) => this.log(job, text),
    }
  }

  #now(): AgentSession {
    if (!this.#session) throw new OcmError('link-lost')
    return this.#session
  }
}

const PIECE = 64 * 1024

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}
