/** A link over stdin and stdout: the agent lives as long as the SSH session that started it. */
import type { Readable, Writable } from 'node:stream'
import {
  type AgentLinkOptions,
  type AgentSession,
  type Primitives,
  RecordReader,
  agentLink,
  pourRecord,
} from '@ocm/protocol'

export interface StdioOptions extends Omit<AgentLinkOptions, 'carrier' | 'kind'> {
  readonly input: Readable
  readonly output: Writable
}

/** @throws OcmError what the handshake threw */
export function speakOverStdio(p: Primitives, options: StdioOptions): Promise<AgentSession> {
  const { input, output } = options
  const reader = new RecordReader()
  const end = agentLink(p, {
    ...options,
    kind: 'stdio',
    carrier: {
      send(record) {
        if (output.writable) pourRecord(output, record, () => end.drained())
      },
      bufferedBytes: () => output.writableLength,
      close() {
        output.end()
        input.destroy()
      },
    },
  })
  input.on('data', (bytes: Buffer) => {
    try {
      for (const record of reader.push(bytes)) end.receive(record)
    } catch (error) {
      end.lost(error)
    }
  })
  for (const stream of [input, output]) stream.on('error', (cause) => end.lost(cause))
  input.on('close', () => end.lost())
  // It may have been read from before, and stands still since.
  input.resume()
  return end.session
}
