/**
 * Gives large memory back at once. Left to be collected, buffers lie about until V8 collects everything, which costs more
 * than what was done with them.
 */

/** Smaller ones may share their memory with others. */
const LARGE = 16 * 1024
/** What memory may hold besides: the header of a frame, or what was reserved to unpack into. */
const SPARE = 64

/**
 * Memory that belongs to somebody else too is left alone, as far as that shows by its length.
 * @param bytes nobody reads them, or anything in the same memory, afterwards.
 */
export function free({ buffer, length }: Uint8Array): void {
  if (length < LARGE || buffer.byteLength > length + SPARE || !(buffer instanceof ArrayBuffer))
    return
  buffer.transfer(0)
}
