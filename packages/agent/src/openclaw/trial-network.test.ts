import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from './run.ts'
import { ownNetwork } from './trial-network.ts'

const prefix = await ownNetwork()
const addresses = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ family }) => family === 'IPv4')
  .map(({ address }) => address)

/** Serves itself and then asks; prints what it asked and what came of it. */
const ASK = `
const { createServer, get } = require('node:http')
const own = createServer((_, answer) => answer.end('own'))
own.listen(0, '127.0.0.1', async () => {
  const urls = ['http://127.0.0.1:' + own.address().port, ...process.argv.slice(1)]
  for (const url of urls) {
    await new Promise((done) => {
      get(url, { timeout: 2000, agent: false }, (answer) => { answer.resume(); console.log('reached'); done() })
        .on('error', () => { console.log('nobody'); done() })
    })
  }
  console.log(process.getuid())
  own.close()
})`

let calls = 0
const outside = createServer((_, answer) => {
  calls++
  answer.end('outside')
})
beforeAll(() => new Promise<void>((resolve) => outside.listen(0, '0.0.0.0', resolve)))
afterAll(() => void outside.close())

async function askFrom(network: readonly string[]): Promise<readonly string[]> {
  const { port } = outside.address() as AddressInfo
  const urls = addresses.map((address) => `http://${address}:${port}`)
  const [file = '', ...args] = [...network, process.execPath, '-e', ASK, ...urls]
  const ran = await run(file, args, { timeoutMs: 60_000 })
  return ran?.stdout.trim().split('\n') ?? []
}

describe.skipIf(prefix === undefined)('a network of its own', () => {
  test('has a loopback that answers and no way to this machine, and its processes are the same user', async () => {
    const uid = String(process.getuid?.())
    const here = addresses.map(() => 'reached')
    expect(await askFrom([])).toEqual(['reached', ...here, uid])
    expect(calls).toBe(addresses.length)
    expect(await askFrom(prefix ?? [])).toEqual(['reached', ...here.map(() => 'nobody'), uid])
    expect(calls).toBe(addresses.length)
  })
})
