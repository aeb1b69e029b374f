/** A link over the two pipes of an ssh that somebody else has started. */
import { Socket } from 'node:net'
import {
  type HubLinkOptions,
  OcmError,
  type Primitives,
  RecordReader,
  hubLink,
  pourRecord,
} from '@ocm/protocol'

export interface Pipes {
  /** Descriptors, not blocking; ours from now on. */
  readonly input: number
  readonly output: number
  /** What came behind the last line of stage 0. */
  readonly rest: Uint8Array
}

export function linkOverPipes(
  p: Primitives,
  { input, output, rest }: Pipes,
  options: Omit<HubLinkOptions, 'carrier' | 'kind'>,
) {
  const toNode = new Socket({ fd: input, readable: false, writable: true })
  const fromNode = new Socket({ fd: output, readable: true, writable: false })
  const reader = new RecordReader()
  const end = hubLink(p, {
    ...options,
    kind: 'stdio',
    carrier: {
      send(record) {
        if (toNode.writable) pourRecord(toNode, record, () => end.drained())
      },
      bufferedBytes: () => toNode.writableLength,
      close() {
        // What was said last is still sent; then the agent sees its input end.
        toNode.end()
        fromNode.destroy()
      },
    },
  })
  const take = (bytes: Uint8Array) => {
    try {
      for (const record of reader.push(bytes)) end.receive(record)
    } catch (error) {
      end.lost(error)
    }
  }
  take(rest)
  fromNode.on('data', take)
  fromNode.on('close', () => end.lost())
  for (const pipe of [fromNode, toNode]) {
    pipe.on('error', (cause) => end.lost(new OcmError('link-lost', {}, { cause })))
  }
  return {
    session: end.session,
    destroy() {
      toNode.destroy()
      fromNode.destroy()
      end.lost()
    },
  }
}
