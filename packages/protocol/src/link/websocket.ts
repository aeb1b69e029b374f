/** A link over a WebSocket that somebody else has opened; the same on the side that dials and on the one that listens. */
import { free } from '../free.ts'
import type { Carrier } from './carrier.ts'

/** What is needed of a socket of the package `ws`. */
export interface Socket {
  readonly bufferedAmount: number
  send(data: Uint8Array, sent: (error?: Error) => void): void
  close(code?: number): void
  terminate(): void
  on(event: 'message', listener: (data: Uint8Array, isBinary: boolean) => void): unknown
  on(event: 'close' | 'error', listener: (about: unknown) => void): unknown
}

interface Receiver {
  receive(record: Uint8Array): void
  drained(): void
  lost(cause?: unknown): void
}

/**
 * Listens at once: what arrives before a listener is attached is lost.
 * @param begin makes the end of the link that speaks over the carrier.
 */
export function overWebSocket<R extends Receiver>(
  socket: Socket,
  begin: (carrier: Carrier) => R,
): R {
  const carrier: Carrier = {
    send: (record) =>
      socket.send(record, (error) => {
        // A socket that is gone says so in its own time.
        if (error) return
        free(record)
        end.drained()
      }),
    bufferedBytes: () => socket.bufferedAmount,
    close: (code = 1000) => socket.close(code),
  }
  let cause: unknown
  const end = begin(carrier)
  socket.on('message', (data, isBinary) => {
    if (isBinary) end.receive(data)
    else socket.terminate()
  })
  socket.on('error', (error) => {
    cause = error
  })
  socket.on('close', () => end.lost(cause))
  return end
}
