/** What was lent is found nowhere afterwards: files, output, arguments, environments, the hub's memory. */
import { spawn } from 'node:child_process'
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
import {
  watchProcesses,
  wordsIn,
  wordsInCore,
  wordsInFiles,
  wordsInMemory,
} from './support/ssh/traces.ts'
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

  it('finds none of the words that were lent, where it finds what is there', async () => {
    const words = Array.from(
      { length: 21 },
      (_, i) => `canary-lent-${i}-${randomBytes(9).toString('hex')}`,
    )
    const lender = await logInAs(fleet.hub.url, 'olivia')
    const openclawBin = standIn(join(ground, 'stand-in'))
    const account = openclawAccount(sshd, { password: words[0] as string })
    const [right = '', passphrase = ''] = words
    const locked = sshd.key(account, { passphrase })
    const planted = `canary-planted-${randomBytes(9).toString('hex')}`
    const seen = watchProcesses([...words, planted])
    const env = { ...process.env, PLANTED: planted }
    const child = spawn('sh', ['-c', 'read _', 'sh', planted], {
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
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
        return lender.lend(null, { connection, auth, ...more })
      }),
    )
    const codes = ends.map(({ problem }) => problem?.code)
    expect(codes.slice(0, 2)).toEqual(['not-enrolled', 'not-enrolled'])
    expect(new Set(codes.slice(2))).toEqual(new Set(['ssh-auth-failed']))
    await until(() => childrenOf(fleet.hub.process.pid as number) === '', {
      timeoutMs: 5_000,
      what: 'every borrower is gone',
    })
    const { rounds, found } = seen.stop()
    child.stdin.end()
    expect(rounds).toBeGreaterThan(1)
    expect(found).toEqual([`${planted} in cmdline`, `${planted} in environ`])
    const { setupLink, output, data, process: hub } = fleet.hub
    expect(wordsIn(output(), [...words, setupLink])).toEqual([setupLink])
    expect(new Set(wordsInFiles(data, [...words, 'olivia']))).toEqual(new Set(['olivia']))
    expect(wordsInFiles(account.home, words)).toEqual([])
    // What it shows of a lease that is over.
    const { id = '' } = ends[0] ?? {}
    const pid = hub.pid as number
    const wanted = [...words, id]
    expect(wordsInCore(pid, ground, wanted) ?? wordsInMemory(pid, wanted)).toEqual([id])
  })
})
