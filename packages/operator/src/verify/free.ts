/** Gives large memory back at once: left to be collected, what a pack holds would be there several times over. */

/** Smaller ones share their memory with others. */
const LARGE = 64 * 1024

/** @param bytes nobody reads them, or anything in the same memory, afterwards. */
export function free({ buffer, byteOffset, length }: Uint8Array): void {
  if (length < LARGE || byteOffset !== 0 || !(buffer instanceof ArrayBuffer)) return
  buffer.transfer(0)
}
