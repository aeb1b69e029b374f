import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { hex, utf8 } from '../bytes.ts'
import { browserPrimitives } from './browser.ts'
import { nodePrimitives } from './node.ts'
import { primitivesContract } from './primitives.contract.ts'
import type { Primitives } from './primitives.ts'

const zstd = (plain: Uint8Array): Uint8Array => new Uint8Array(zstdCompressSync(plain))

primitivesContract('node', nodePrimitives, zstd)
primitivesContract('browser', browserPrimitives, zstd)

describe.each<[string, Primitives, Primitives]>([
  ['the node does, the browser can use', nodePrimitives, browserPrimitives],
  ['the browser does, the node can use', browserPrimitives, nodePrimitives],
])('what %s', (_what, one, other) => {
  it('signatures', () => {
    const pair = one.ed25519Pair()
    expect(other.ed25519Pair(pair.secret).public).toEqual(pair.public)
    const signature = one.ed25519Sign(pair.secret, utf8('message'))
    expect(other.ed25519Verify(pair.public, utf8('message'), signature)).toBe(true)
  })

  it('agreements', () => {
    const [mine, theirs] = [one.x25519Pair(), other.x25519Pair()]
    expect(one.x25519(mine.secret, theirs.public)).toEqual(other.x25519(theirs.secret, mine.public))
  })

  it('sealed bytes', () => {
    const [key, nonce, plain] = [one.random(32), one.random(12), one.random(70_000)]
    const sealed = one.seal(key, nonce, utf8('context'), plain)
    expect(hex(other.sha256(other.open(key, nonce, utf8('context'), sealed)))).toBe(
      hex(one.sha256(plain)),
    )
  })
})

it('both derive the same key from a passphrase, and another with another salt', async () => {
  const salt = utf8('sixteen bytes ok')
  const [node, browser, salted] = await Promise.all([
    nodePrimitives.argon2id(utf8('six generated words'), salt),
    browserPrimitives.argon2id(utf8('six generated words'), salt),
    nodePrimitives.argon2id(utf8('six generated words'), utf8('sixteen bytes no')),
  ])
  expect(node).toHaveLength(32)
  expect(hex(node)).toBe(hex(browser))
  expect(hex(node)).not.toBe(hex(salted))
})
