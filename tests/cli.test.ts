/** `ocm` against a hub, each a process of its own: what it prints where, and how it ends. */
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type Answer,
  type Operator,
  PASSPHRASE,
  PASSWORD,
  type RunningHub,
  operatorAt,
  startHub,
} from './support/programs.ts'
import { disguises } from './support/traces.ts'
import { until } from './support/until.ts'

interface Wrong {
  readonly code: string
  readonly message: string
  readonly facts: object
  readonly next: string
}

let hub: RunningHub
let operator: Operator
let desk: string
let setup: Answer

const wrongOf = (answer: Answer) => JSON.parse(answer.out) as Wrong
/** It is printed on a line after the address, so not always with it. */
async function linkOf(of: RunningHub): Promise<string> {
  const link = () => /http:\/\/\S+\/setup#\S+/.exec(of.output())?.[0]
  await until(() => link() !== undefined, { timeoutMs: 10_000, what: 'the hub prints its link' })
  return link() ?? ''
}
const config = () => join(desk, 'config', 'ocm')

beforeAll(async () => {
  hub = await startHub(join(freshMachine('cli-hub'), 'data'))
  desk = freshMachine('cli-operator')
  operator = operatorAt(desk, hub.url)
  setup = await operator.ocm('setup', await linkOf(hub), '--name', 'olivia', '--yes')
})

afterAll(() => hub?.stop())

describe('set-up', () => {
  test('prints the recovery kit on stdout and the rest on stderr', () => {
    expect(setup).toMatchObject({ code: 0 })
    expect(setup.out).toMatch(/^OCM recovery kit\n/)
    expect(setup.out).toMatch(/ {2}([0-9a-z]{4}-){7}[0-9a-z]{4}\n/)
    expect(setup.err).toContain('logged in as olivia')
  })

  test('leaves a config that its owner alone can read, and no password in it', () => {
    expect(statSync(config()).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(config())) {
      const path = join(config(), name)
      expect([name, statSync(path).mode & 0o777]).toEqual([name, 0o600])
      for (const secret of [PASSWORD, PASSPHRASE]) {
        expect(readFileSync(path, 'utf8')).not.toContain(secret)
      }
    }
  })

  test('is closed for good', async () => {
    const again = await operator.ocm('setup', await linkOf(hub), '--name', 'eve', '--yes', '--json')
    expect(again.code).toBe(1)
    expect(wrongOf(again).code).toBe('setup-closed')
  })

  test('tells the hub neither the passphrase nor the recovery code', () => {
    const code = /([0-9a-z]{4}-){7}[0-9a-z]{4}/.exec(setup.out)?.[0] ?? ''
    const log = hub.output()
    for (const secret of [PASSPHRASE, code]) {
      expect(secret).not.toBe('')
      expect(disguises(secret).some((needle) => log.includes(needle.toString('latin1')))).toBe(
        false,
      )
    }
  })
})

const bad = async (passphrase: string) => {
  const other = await startHub(join(freshMachine('cli-other-hub'), 'data'))
  try {
    const machine = freshMachine('cli-other-operator')
    const them = operatorAt(machine, other.url)
    writeFileSync(join(machine, 'passphrase'), `${passphrase}\n`)
    return await them.ocm('setup', await linkOf(other), '--name', 'x', '--yes', '--json')
  } finally {
    await other.stop()
  }
}

describe('a passphrase', () => {
  test('that is the login password is refused', async () => {
    const answer = await bad(`  ${PASSWORD.toUpperCase()} `)
    expect(answer.code).toBe(1)
    expect(wrongOf(answer).code).toBe('passphrase-is-password')
  })

  test('that is weak is refused', async () => {
    expect(wrongOf(await bad('hunter2')).code).toBe('passphrase-weak')
  })
})

describe('what it answers', () => {
  test.each([['nodes'], ['snapshots'], ['jobs'], ['audit']])(
    '%s with --json is one array on stdout and nothing on stderr',
    async (command) => {
      const answer = await operator.ocm(command, '--json')
      expect(answer).toMatchObject({ code: 0, err: '' })
      expect(answer.out.trim().split('\n')).toHaveLength(1)
      expect(JSON.parse(answer.out)).toBeInstanceOf(Array)
    },
  )

  test('a ticket is a join string alone on stdout', async () => {
    const answer = await operator.ocm('ticket', '--label', 'alpha', '--ttl', '30m')
    expect(answer.code).toBe(0)
    expect(answer.out).toMatch(/^ocm1\.[\w-]+\.[0-9a-f]{6}\n$/)
    const audit = await operator.json<{ action: string; actor: string }[]>('audit')
    expect(audit[0]).toMatchObject({ action: 'ticket', actor: 'olivia' })
  })

  test('the secret of a ticket does not reach the hub', async () => {
    const { join: text } = await operator.json<{ join: string }>('ticket')
    const body = Buffer.from(text.split('.')[1] ?? '', 'base64url')
    // Behind the key stand two bytes that say how long it is.
    const at = body.indexOf('secret') + 'secret'.length + 2
    const secret = body.subarray(at, at + 32)
    expect(secret).toHaveLength(32)
    for (const name of readdirSync(hub.data, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue
      const bytes = readFileSync(join(name.parentPath, name.name))
      expect([name.name, bytes.includes(secret)]).toEqual([name.name, false])
    }
  })

  test.each<[string, readonly string[], string, number]>([
    ['a node that is not there', ['backup', 'nobody'], 'not-found', 1],
    ['a snapshot that is not there', ['ls', 'ffff'], 'not-found', 1],
    ['a job that is not there', ['jobs', 'show', 'ffff'], 'not-found', 1],
    ['a command that is not there', ['frobnicate'], 'wrong-use', 2],
    ['an argument too few', ['move', 'alpha'], 'wrong-use', 2],
    ['an option that is not there', ['nodes', '--colour'], 'wrong-use', 2],
    ['a root that is no path', ['clone', 'a', 'b', '--root', 'state=here'], 'wrong-use', 2],
    ['a port that is none', ['move', 'a', 'b', '--port', '70000'], 'wrong-use', 2],
    ['a time that is none', ['ticket', '--ttl', 'soon'], 'wrong-use', 2],
    ['an address that is none', ['nodes', '--url', 'ftp://hub'], 'wrong-use', 2],
    ['a hub that is not there', ['nodes', '--url', 'http://127.0.0.1:9'], 'hub-unreachable', 1],
  ])('%s', async (_, args, code, exit) => {
    const answer = await operator.ocm(...args, '--json')
    expect(answer).toMatchObject({ code: exit, err: '' })
    const wrong = wrongOf(answer)
    expect(wrong).toMatchObject({ code, facts: expect.any(Object) })
    expect(wrong.message).not.toBe('')
    expect(wrong.next).not.toBe('')
  })

  test('an error without --json is said on stderr alone', async () => {
    const answer = await operator.ocm('backup', 'nobody')
    expect(answer).toMatchObject({ code: 1, out: '' })
    expect(answer.err).toContain('not-found')
  })
})

const withFile = async (change: (path: string) => void, ...args: readonly string[]) => {
  const path = join(desk, 'passphrase')
  change(path)
  try {
    return await operator.ocm(...args, '--json')
  } finally {
    writeFileSync(path, `${PASSPHRASE}\n`)
    chmodSync(path, 0o600)
  }
}

describe('the vault', () => {
  test('does not open for another passphrase', async () => {
    const answer = await withFile((path) => writeFileSync(path, 'not the one\n'), 'ticket')
    expect(answer.code).toBe(1)
    expect(wrongOf(answer).code).toBe('passphrase-wrong')
  })

  test('does not open with a file that others can read', async () => {
    const answer = await withFile((path) => chmodSync(path, 0o644), 'ticket')
    expect(answer.code).toBe(1)
    expect(wrongOf(answer).code).toBe('secret-file-exposed')
  })
})

describe('login', () => {
  test('a logout gives the token back', async () => {
    const stored = JSON.parse(readFileSync(join(config(), 'config.json'), 'utf8')) as {
      token: string
    }
    const asked = () =>
      fetch(`${hub.url}/api/me`, { headers: { authorization: `Bearer ${stored.token}` } })
    expect((await asked()).status).toBe(200)
    expect((await operator.ocm('logout')).code).toBe(0)
    expect((await asked()).status).toBe(401)
    const answer = await operator.ocm('nodes', '--json')
    expect(wrongOf(answer).code).toBe('login-needed')
    expect((await operator.ocm('login', '--name', 'olivia')).code).toBe(0)
    expect((await operator.ocm('nodes')).code).toBe(0)
  })

  test('a token is sent to no other hub than the one that issued it', async () => {
    const heard: (string | undefined)[] = []
    const stranger = createServer((request, response) => {
      heard.push(request.headers.authorization)
      response.writeHead(401).end()
    })
    stranger.listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const { port } = stranger.address() as AddressInfo
    try {
      const answer = await operator.ocm('nodes', '--json', '--url', `http://127.0.0.1:${port}`)
      expect(answer.code).toBe(1)
      expect(heard).toEqual([undefined])
    } finally {
      stranger.close()
    }
  })
})
