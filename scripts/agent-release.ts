/**
 * Signs a version of the agent, on the machine where the release key is: never the hub.
 *
 *     node scripts/agent-release.ts new-key FILE
 *     node scripts/agent-release.ts sign --key FILE --serial N --version V PROGRAM RELEASE
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { base64url, fromBase64url, makeRelease } from '../packages/protocol/src/index.ts'
import { nodePrimitives as p } from '../packages/protocol/src/primitives/node.ts'
import { bakedSerial } from './bundling.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string' }, serial: { type: 'string' }, version: { type: 'string' } },
})
const [command, first, second] = positionals

if (command === 'new-key' && first !== undefined) {
  const pair = p.ed25519Pair()
  writeFileSync(first, `${base64url(pair.secret)}\n`, { mode: 0o600, flag: 'wx' })
  console.log(`The key is in ${first}. Build agents that take its releases with:`)
  console.log(`  OCM_RELEASE_KEY=${base64url(pair.public)} OCM_RELEASE_SERIAL=1 npm run build`)
} else if (command === 'sign' && first !== undefined && second !== undefined) {
  const { key, serial, version } = values
  if (key === undefined || version === undefined || !/^[1-9]\d{0,14}$/.test(serial ?? '')) {
    throw new Error('sign takes --key FILE --serial N --version V PROGRAM RELEASE')
  }
  if ((statSync(key).mode & 0o077) !== 0) throw new Error(`${key} can be read by others: chmod 600`)
  const pair = p.ed25519Pair(fromBase64url(readFileSync(key, 'utf8').trim()))
  const program = new Uint8Array(readFileSync(first))
  const text = readFileSync(first, 'latin1')
  // The program carries its own serial; one that differs would be offered for ever.
  if (!text.includes(bakedSerial(Number(serial)))) {
    throw new Error(`${first} was not built with OCM_RELEASE_SERIAL=${serial}`)
  }
  if (!text.includes(base64url(pair.public))) {
    throw new Error(`${first} was not built with OCM_RELEASE_KEY=${base64url(pair.public)}`)
  }
  writeFileSync(second, makeRelease(p, { version, serial: Number(serial) }, program, pair))
  console.log(
    `Release ${serial} (${version}) is in ${second}. Offer it: ocm agent-release ${second}`,
  )
} else {
  console.error('new-key FILE, or sign --key FILE --serial N --version V PROGRAM RELEASE')
  process.exitCode = 2
}
