import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type SshCall, knownHosts, sshArguments } from './arguments.ts'
import type { SshConnection } from './connection.ts'

const KEY = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`
const connection: SshConnection = {
  v: 1,
  host: 'node.example',
  port: 2222,
  user: 'claw',
  hostKeys: [KEY],
  method: 'key',
}
const jumped: SshConnection = {
  ...connection,
  host: '2001:db8::7',
  jump: { host: 'gate.example', port: 22, user: 'pass', hostKeys: [KEY] },
}
const call: SshCall = {
  connection,
  offer: 'key',
  places: { knownHosts: '/run/ocm/a/known', identityAgent: '/run/ocm/a/agent' },
  command: 'true',
}

const settingsOf = (words: readonly string[]) =>
  new Map(
    words.flatMap((word, i): [string, string][] =>
      words[i - 1] === '-o' ? [word.split(/=(.*)/s).slice(0, 2) as [string, string]] : [],
    ),
  )

it('names the destination behind two dashes, and the command last', () => {
  const words = sshArguments(call)
  expect(words.slice(0, 5)).toEqual(['-F', '/dev/null', '-T', '-p', '2222'])
  expect(words.slice(-3)).toEqual(['--', 'claw@node.example', 'true'])
})

it('reads no configuration, trusts the pinned key alone, forwards nothing and leaves no master', () => {
  const settings = settingsOf(sshArguments(call))
  expect(Object.fromEntries(settings)).toMatchObject({
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: '/run/ocm/a/known',
    GlobalKnownHostsFile: '/dev/null',
    UpdateHostKeys: 'no',
    VerifyHostKeyDNS: 'no',
    KnownHostsCommand: 'none',
    ForwardAgent: 'no',
    ForwardX11: 'no',
    ClearAllForwardings: 'yes',
    PermitLocalCommand: 'no',
    ProxyCommand: 'none',
    RequestTTY: 'no',
    ControlMaster: 'no',
    ControlPath: 'none',
    NumberOfPasswordPrompts: '1',
  })
})

it('offers what was lent and nothing else', () => {
  expect(settingsOf(sshArguments(call)).get('PreferredAuthentications')).toBe('publickey')
  expect(settingsOf(sshArguments(call)).get('IdentityFile')).toBe('none')
  const password = settingsOf(sshArguments({ ...call, offer: 'password' }))
  expect(password.get('PreferredAuthentications')).toBe('password,keyboard-interactive')
  expect(password.get('PubkeyAuthentication')).toBe('no')
})

it.skipIf(!existsSync('/usr/bin/ssh'))('asks a host for its key, not for a certificate', () => {
  const setting = `HostKeyAlgorithms=${settingsOf(sshArguments(call)).get('HostKeyAlgorithms')}`
  const said = execFileSync('/usr/bin/ssh', ['-F', '/dev/null', '-G', '-o', setting, 'h'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [, algorithms] = /^hostkeyalgorithms (.*)$/m.exec(said) ?? []
  expect(algorithms).toContain('ssh-ed25519,')
  expect(algorithms).not.toMatch(/-cert-|ssh-rsa|ssh-dss/)
})

it('pins under names of our own, whatever the host is called', () => {
  expect(knownHosts(jumped)).toBe(`ocm-node ${KEY}\nocm-jump ${KEY}\n`)
})

it('goes through one host on the way with the same list', () => {
  const proxy = settingsOf(sshArguments({ ...call, connection: jumped })).get('ProxyCommand') ?? ''
  expect(proxy.startsWith('ssh -F /dev/null -T -p 22 -o ')).toBe(true)
  expect(proxy).toContain('-o StrictHostKeyChecking=yes')
  expect(proxy).toContain('-o HostKeyAlias=ocm-jump')
  expect(proxy.endsWith("-W '[2001:db8::7]:2222' -- pass@gate.example")).toBe(true)
  expect(proxy).not.toContain('%')
})

it('makes no connection to a host without an approved key, unless it is to be looked at', () => {
  const unknown = { ...call, connection: { ...connection, hostKeys: [] } }
  expect(() => sshArguments(unknown)).toThrow(/No key of this host/)
  const looking = settingsOf(sshArguments({ ...unknown, look: '/run/ocm/askpass' }))
  expect(looking.get('KnownHostsCommand')).toBe('/run/ocm/askpass look %t %K')
  expect(looking.get('StrictHostKeyChecking')).toBe('yes')
  const blind = { ...jumped, jump: { ...jumped.jump!, hostKeys: [] } }
  expect(() => sshArguments({ ...call, connection: blind })).toThrow(/No key of this host/)
})

it.each(['/tmp/a b', 'relative', '/tmp/%h', '/tmp/$HOME', "/tmp/'", '/tmp/a\n', ''])(
  'takes no path that ssh or a shell would read otherwise: %j',
  (knownHostsPath) => {
    expect(() => sshArguments({ ...call, places: { knownHosts: knownHostsPath } })).toThrow(
      /is refused/,
    )
  },
)

it.each([
  { host: '-oProxyCommand=id' },
  { host: '169.254.169.254' },
  { user: '-l' },
  { jump: { host: 'a b', port: 22, user: 'x', hostKeys: [KEY] } },
  { sudo: { user: 'a b', password: false } },
  { container: { tool: 'docker', name: '-it' } },
] as const)('refuses %j', (change) => {
  const bad = { ...connection, ...change } as SshConnection
  expect(() => sshArguments({ ...call, connection: bad })).toThrow(/is refused/)
})
