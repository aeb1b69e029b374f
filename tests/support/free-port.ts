import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the range from which systems give ports to whoever dials out (Linux: 32768 to 60999): one of those is free when
 * it is asked for and somebody's a moment later. The tests' own fixed ports lie above these.
 */
const FROM = 20_000
const TO = 28_000

/** A port of 127.0.0.1 that nobody listens on, and that nobody is given by chance before it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FROM, TO)
    if (await isFree(port)) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
