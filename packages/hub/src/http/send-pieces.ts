/** Answers with bytes that are read into one memory over and over: a stream would need new memory for each piece. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/**
 * Status and headers are those of `reply`; the content's length is among them.
 * @param pieces each of them good until the next is asked for
 * @throws what the first piece throws, while there is still an answer to be given; what goes wrong later ends the connection
 */
export async function sendPieces(
  reply: FastifyReply,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const reading = pieces[Symbol.asyncIterator]()
  let next = await reading.next()
  reply.hijack()
  const { raw } = reply
  raw.statusCode = reply.statusCode
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) raw.setHeader(name, value)
  }
  try {
    for (; !next.done; next = await reading.next()) await written(raw, next.value)
    raw.end()
  } catch (error) {
    // Whoever asked may have gone; else the store failed in the middle.
    if (!raw.destroyed) reply.log.error({ err: error }, 'answer cut short')
    raw.destroy()
  } finally {
    await reading.return?.()
  }
}

/** Answered when the system has taken all of it. */
const written = (raw: ServerResponse, piece: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const gone = () => reject(new Error('nobody reads any more'))
    raw.once('close', gone)
    raw.write(piece, (error) => {
      raw.off('close', gone)
      if (error) reject(error)
      else resolve()
    })
  })
