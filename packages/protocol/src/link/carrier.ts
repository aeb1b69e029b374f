/**
 * What moves records to the other side, whole and in order: a WebSocket, or stdin and stdout of an SSH session.
 * It knows nothing of what is in them.
 */
export interface Carrier {
  /** Takes one record, at most 65,535 bytes. Never throws: a carrier that is gone says so by the session's `lost`. */
  send(record: Uint8Array): void
  /** Bytes taken and not yet handed to the network. */
  bufferedBytes(): number
  /** @param code a WebSocket close code, where the carrier has such a thing. */
  close(code?: number): void
}

/** Stands in the handshake's prologue, so that a record of one kind of carrier means nothing on another. */
export type CarrierKind = 'websocket' | 'stdio'
