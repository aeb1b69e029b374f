import { pathToBytes } from '@ocm/protocol'

/** Whether any of the survey's marks stands in a content. */
export function markFinder(marks: readonly string[]): (bytes: Uint8Array) => boolean {
  const letters = marks.map((mark) => Buffer.from(pathToBytes(mark)).toString('latin1'))
  const any = new RegExp(letters.map((mark) => RegExp.escape(mark)).join('|'))
  return (bytes) =>
    letters.length > 0 &&
    any.test(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
}
