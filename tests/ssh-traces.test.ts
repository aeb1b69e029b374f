/** What was lent is found nowhere afterwards: files, output, arguments, environments, the hub's memory. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { standIn } from './support/moves/stand-in.ts'
import { childrenOf, openclawAccount } from './support/ssh/accounts.ts'
import { connectionTo, logInAs, password } from './support/ssh/lender.ts'
import { type TestSshd, startSshd, whyNoSshd } from './support/ssh/sshd.ts'
import { watchProcesses, wordsIn, wordsInFiles, wordsInMemory } from './support/ssh/traces.ts'
import { until } from './support/until.ts'

describe.skipIf(whyNoSshd() !== undefined)('a hub that was lent to', () => {
  let ground: string
  let sshd: TestSshd
  let fleet: Fleet

  beforeAll(async () => {
    ground = mkdtempSync(join(tmpdir(), 'ocm-ssh-traces-'))
    chmodSync(ground, 0o755) // The account runs what stands in for OpenClaw.
    sshd = await startSshd()
    fleet = await startFleet(ground)
  })
  afterAll(async () => {
    await fleet?.stop()
    await sshd?.stop()
    rmSync(ground, { recursive: true, force: true })
  })

  it('finds none of twenty words that were lent', async () => {
    const words = Array.from(
      { length: 21 },
      (_, i) => `canary-lent-${i}-${randomBytes(9).toString('hex')}`,
    )
    const lender = await logInAs(fleet.hub.url, 'olivia')
    const openclawBin = standIn(join(ground, 'stand-in'))
    const account = openclawAccount(sshd, { password: words[0] as string })
    const [right = '', passphrase = ''] = words
    const locked = sshd.key(account, { passphrase })
    const seen = watchProcesses(words)
    const connection = connectionTo(sshd, account, { openclawBin })
    const auths = [
      password(right),
      { kind: 'key', key: locked, passphrase: Buffer.from(passphrase) } as const,
      ...words.slice(2, 7).map(password), // Wrong ones.
    ]
    const ends = await Promise.all(
      auths.map(async (auth, i) => {
        const more = {
          jumpAuth: password(words[7 + i] as string),
          sudoPassword: Buffer.from(words[14 + i] as string),
        }
        const { problem } = await lender.lend(null, { connection, auth, ...more })
        return problem?.code
      }),
    )
    expect(ends.slice(0, 2)).toEqual(['not-enrolled', 'not-enrolled'])
    expect(new Set(ends.slice(2))).toEqual(new Set(['ssh-auth-failed']))
    await until(() => childrenOf(fleet.hub.process.pid as number) === '', {
      timeoutMs: 5_000,
      what: 'every borrower is gone',
    })
    expect(seen.stop()).toEqual({ rounds: expect.any(Number), found: [] })
    expect(wordsIn(fleet.hub.output(), words)).toEqual([])
    expect(wordsInFiles(fleet.hub.data, words)).toEqual([])
    expect(wordsInFiles(account.home, words)).toEqual([])
    expect(wordsInMemory(fleet.hub.process.pid as number, words)).toEqual([])
  })
})
