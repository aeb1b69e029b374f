/** The process that started an errand, over our stdin and stdout. */
import type { Readable, Writable } from 'node:stream'
import {
  type Errand,
  type ErrandEvent,
  ErrandFrames,
  ErrandMessage,
  type FetchRange,
  OcmError,
  check,
  decodeErrand,
  errandFrame,
  fromWireError,
} from '@ocm/protocol'

export interface Line {
  readonly errand: Errand
  tell(event: ErrandEvent): Promise<void>
  /** A range of a pack, asked of whoever started the errand. */
  readonly fetch: FetchRange
  /** Answers when it says that the errand is to end. */
  readonly finished: Promise<void>
}

interface Waiting {
  resolve(bytes: Uint8Array): void
  reject(error: Error): void
}

/** @throws OcmError 'malformed' when what comes is no errand */
export async function openLine(input: Readable, output: Writable): Promise<Line> {
  const waiting = new Map<number, Waiting>()
  let asked = 0
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const errand = await new Promise<Errand>((resolve, reject) => {
    const frames = new ErrandFrames()
    const take = (part: Uint8Array) => {
      for (const { json, body } of frames.push(part)) {
        const message = check(ErrandMessage, json, 'errand')
        if (message.kind === 'begin') resolve(decodeErrand(body))
        else if (message.kind === 'finish') finish()
        else answer(waiting, message, body)
      }
    }
    const fail = (error: Error) => {
      reject(error)
      for (const one of waiting.values()) one.reject(error)
      waiting.clear()
      finish()
    }
    input.on('data', (part: Buffer) => {
      try {
        take(part)
      } catch (error) {
        fail(error as Error)
      }
    })
    input.once('error', fail)
    // Whoever started it is gone: nobody waits for the result.
    input.once('end', () => fail(new OcmError('link-lost')))
  })

  const tell = (event: ErrandEvent) =>
    new Promise<void>((resolve, reject) => {
      output.write(errandFrame(event), (error) => (error ? reject(error) : resolve()))
    })
  const fetch: FetchRange = async (pack, offset, length) => {
    const n = ++asked
    const answered = new Promise<Uint8Array>((resolve, reject) => {
      waiting.set(n, { resolve, reject })
    })
    await tell({ kind: 'want', n, pack, offset, length })
    return answered
  }
  return { errand, tell, fetch, finished }
}

function answer(
  waiting: Map<number, Waiting>,
  { n, code }: Extract<ErrandMessage, { kind: 'range' }>,
  body: Uint8Array,
): void {
  const asker = waiting.get(n)
  waiting.delete(n)
  if (code === '') asker?.resolve(body)
  else asker?.reject(fromWireError({ code, facts: {} }))
}
