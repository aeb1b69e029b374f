import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { utf8 } from '../bytes.ts'
import { MarkerReader } from './marker.ts'
import { sshProblem, stage0Problem } from './problems.ts'
import { nonceOf, readPreface, remoteCommand, writePreface } from './stage0.ts'
import type { SshConnection } from './connection.ts'

const nonce = '0123456789abcdef0123456789abcdef'
const bundle = 'ab'.repeat(32)
const connection: SshConnection = {
  v: 1,
  host: 'h',
  port: 22,
  user: 'u',
  hostKeys: [],
  method: 'key',
}

it('is one line that shells of every kind pass on unread', () => {
  const command = remoteCommand({ connection, nonce, bundle })
  const [before, script, after] = command.split("'")
  expect(before).toBe('sh -c ')
  expect(script).not.toMatch(/[\n!]/)
  expect(after).toBe(` ocm0 ${nonce} ${bundle} `)
  expect(command.length).toBeLessThan(8000)
  expect(nonceOf(command)).toBe(nonce)
})

it.each(['sh', 'bash', 'dash', 'rbash', 'zsh', 'fish', 'tcsh', 'busybox'])(
  '%s passes it on',
  (shell) => {
    const path = ['/bin', '/usr/bin'].map((at) => `${at}/${shell}`).find((at) => existsSync(at))
    if (path === undefined) return
    const command = remoteCommand({ connection, nonce, bundle })
    // Without a home there is no place for the agent's directory.
    const args = shell === 'busybox' ? ['sh', '-c', command] : ['-c', command]
    const said = execFileSync(path, args, {
      env: { PATH: process.env['PATH'], HOME: '/proc/nowhere' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(new MarkerReader(nonce).push(utf8(said))).toEqual([{ word: 'no-place' }])
  },
)

it('goes through sudo and into a container by fixed words', () => {
  const through = (more: Partial<SshConnection>) =>
    remoteCommand({ connection: { ...connection, ...more }, nonce, bundle }).split(' sh -c ')[0]
  expect(through({ sudo: { user: 'claw', password: false } })).toBe('sudo -n -H -u claw --')
  expect(through({ sudo: { user: 'claw', password: true } })).toBe(
    `sudo -k -S -H -p OCM-SUDO-${nonce} -u claw --`,
  )
  expect(through({ container: { tool: 'podman', name: 'box', user: 'node' } })).toBe(
    'podman exec -i -u node box',
  )
})

it('finds its lines in the noise of a login, however it is cut', () => {
  const text = `Welcome!\r\nOCM0 ${'f'.repeat(32)} ready\n\u0000\u00ff no line feedOCM0 ${nonce} want\n\nOCM0 ${nonce} preface\r\nOCM0 ${nonce} ready\n\u0000!rest`
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  for (let size = 1; size < 40; size++) {
    const reader = new MarkerReader(nonce)
    const words: string[] = []
    let rest: Uint8Array | undefined
    let at = 0
    for (; at < bytes.length && !rest; at += size) {
      for (const said of reader.push(bytes.slice(at, at + size))) {
        words.push(said.word)
        if (said.word === 'ready') rest = said.rest
      }
    }
    expect(words).toEqual(['want', 'preface', 'ready'])
    const after = [...(rest ?? []), ...bytes.slice(at)]
    expect(String.fromCharCode(...after)).toBe('\u0000!rest')
  }
})

it('does not read noise for ever', () => {
  const reader = new MarkerReader(nonce)
  const flood = () => {
    for (let i = 0; i < 300; i++) reader.push(new Uint8Array(8192).fill(120))
  }
  expect(flood).toThrow(/something else/)
})

it.each([
  ['no-node 20.20 18.1', 'ssh-no-node', '20.20, 18.1'],
  ['no-node', 'ssh-no-node', ''],
  ['no-node $(id) 20.1', 'ssh-no-node', '20.1'],
  ['no-place', 'ssh-no-place', undefined],
  ['bad-bundle', 'ssh-bundle-altered', undefined],
  ['failed openclaw-missing', 'openclaw-missing', undefined],
  ['failed of-another-build', 'internal', undefined],
])('%s is %s', (words, code, found) => {
  const [said] = new MarkerReader(nonce).push(utf8(`OCM0 ${nonce} ${words}\n`))
  const problem = said && stage0Problem(said)
  expect(problem?.code).toBe(code)
  expect(problem?.facts['found']).toBe(found)
})

it.each([
  ['@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@', 255, 'ssh-host-key-changed'],
  ['Host key verification failed.', 255, 'ssh-host-key-changed'],
  ['u@h: Permission denied (publickey,password).', 255, 'ssh-auth-failed'],
  ['Received disconnect: 2: Too many authentication failures', 255, 'ssh-auth-failed'],
  ['ssh: connect to host h port 22: Connection refused', 255, 'ssh-unreachable'],
  ['ssh: Could not resolve hostname h: Name or service not known', 255, 'ssh-unreachable'],
  ['Unable to negotiate: no matching key exchange method found.', 255, 'ssh-too-weak'],
  ['rbash: sh: command not found', 127, 'ssh-no-answer'],
  ['This account is currently not available.', 1, 'ssh-no-answer'],
])('%s', (stderr, exitCode, code) => {
  expect(sshProblem({ stderr, exitCode }).code).toBe(code)
})

it('tells what sudo and a container say from what ssh says', () => {
  const sudo = { stderr: 'Sorry, try again.', exitCode: 1, sudo: true }
  expect(sshProblem(sudo).code).toBe('ssh-sudo-failed')
  const gone = { stderr: 'bash: sudo: command not found', exitCode: 127, sudo: true }
  expect(sshProblem(gone).facts['why']).toBe('missing')
  const box = { stderr: 'Error: No such container: box', exitCode: 1, container: true }
  expect(sshProblem(box)).toMatchObject({
    code: 'ssh-container-failed',
    facts: { why: 'container' },
  })
})

it.each([
  ['bash: line 1: docker: command not found', 127, 'tool'],
  ['sh: 1: podman: not found', 127, 'tool'],
  ['sudo: docker: command not found', 1, 'tool'],
  ['Error response from daemon: container 5f0 is not running', 1, 'container'],
  ['Error: no container with name or ID "box" found: no such container', 125, 'container'],
  [
    'Error: can only create exec sessions on running containers: container state improper',
    255,
    'container',
  ],
  ['Cannot connect to the Docker daemon at unix:///var/run/docker.sock.', 1, 'refused'],
  [
    'OCI runtime exec failed: exec: "sh": executable file not found in $PATH: unknown',
    127,
    'shell',
  ],
  ['something else', 1, 'unknown'],
])('of a container, through sudo as well: %s', (stderr, exitCode, reason) => {
  const { code, facts } = sshProblem({ stderr, exitCode, sudo: true, container: true })
  expect([code, facts['why']]).toEqual(['ssh-container-failed', reason])
})

it('a connection that is gone is no failure of a container', () => {
  const cut = { stderr: 'Connection reset by peer', exitCode: 255, container: true }
  expect(sshProblem(cut).code).toBe('ssh-unreachable')
})

it('takes a preface with fields it does not know', () => {
  const record = writePreface({ v: 1, openclawHome: '/home/claw' }).slice(2)
  expect(readPreface(record)).toEqual({ v: 1, openclawHome: '/home/claw' })
  expect(readPreface(utf8('{"v":1,"more":2}')).v).toBe(1)
  expect(() => readPreface(utf8('{"v":2}'))).toThrow(/not well-formed/)
  expect(() => readPreface(utf8('{'))).toThrow(/not well-formed/)
})

it.each(['relative', '/a\nExecStartPre=/bin/id', '/a\rb', '/a\0b', '/a\u007f', ''])(
  'takes no path of OpenClaw that could be a line of a unit: %j',
  (path) => {
    for (const name of ['openclawHome', 'openclawBin']) {
      const preface = utf8(JSON.stringify({ v: 1, [name]: path }))
      expect(() => readPreface(preface)).toThrow(/not well-formed/)
    }
  },
)
