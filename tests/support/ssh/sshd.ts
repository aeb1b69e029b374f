/** A real sshd on loopback for one test file, with accounts of its own that are removed afterwards. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { isAnswering } from './answering.ts'

const SSHD = '/usr/sbin/sshd'

/** Why these tests cannot run here; undefined when they can. */
export const whyNoSshd = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'accounts for sshd are made by root alone'
  if (!existsSync(SSHD)) return 'there is no sshd (Debian: openssh-server)'
  if (!existsSync('/usr/sbin/useradd')) return 'there is no useradd'
  return undefined
}

export interface Account {
  readonly name: string
  readonly home: string
  readonly uid: number
  readonly gid: number
}

export interface TestSshd {
  readonly port: number
  /** Those of this moment, as a connection pins them. */
  readonly hostKeys: readonly string[]
  readonly ground: string
  /** All that it has logged. */
  log(): string
  account(options?: { readonly shell?: string; readonly password?: string }): Account
  /** A key pair that `account` lets in; answers the private key's file. */
  key(account: Account, options?: KeyWish): Buffer
  /** A key with a certificate of this sshd's authority, which lets in without being listed. */
  certified(account: Account): { readonly key: Buffer; readonly certificate: Buffer }
  /** Another key of its own from the next connection on. */
  changeHostKey(): Promise<void>
  /** Begun anew with these lines before all others. */
  restart(first: readonly string[]): Promise<void>
  stop(): Promise<void>
}

export interface KeyWish {
  readonly passphrase?: string
  /** Options before the key in authorized_keys. */
  readonly options?: string
}

const keygen = (...args: readonly string[]) => execFileSync('ssh-keygen', args, { stdio: 'pipe' })

export async function startSshd(): Promise<TestSshd> {
  const ground = mkdtempSync(join(tmpdir(), 'ocm-sshd-'))
  chmodSync(ground, 0o755)
  const at = (name: string) => join(ground, name)
  const made: string[] = []
  let sshd: ChildProcess | undefined
  let output = ''

  const makeHostKey = () => {
    rmSync(at('host'), { force: true })
    keygen('-q', '-t', 'ed25519', '-N', '', '-f', at('host'))
  }
  makeHostKey()
  keygen('-q', '-t', 'ed25519', '-N', '', '-f', at('ca'))
  const port = await freePort()
  mkdirSync('/run/sshd', { recursive: true })

  async function start(first: readonly string[] = []): Promise<void> {
    const config = [
      ...first,
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${at('host')}`,
      `PidFile ${at('pid')}`,
      'UsePAM yes',
      'LogLevel VERBOSE',
      'MaxStartups 50',
      `TrustedUserCAKeys ${at('ca.pub')}`,
      `Match User *`,
    ]
    writeFileSync(at('config'), `${config.join('\n')}\n`)
    sshd = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'pipe'] })
    sshd.stderr?.on('data', (bytes: Buffer) => {
      output += bytes.toString()
    })
    await isAnswering(port)
  }
  async function stop(): Promise<void> {
    const running = sshd
    if (!running || running.exitCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGTERM')
    await ended
  }
  await start()

  return {
    port,
    get hostKeys() {
      return [readFileSync(at('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ')]
    },
    ground,
    log: () => output,
    account({ shell = '/bin/bash', password } = {}) {
      const name = `ocmt${randomBytes(4).toString('hex')}`
      const home = at(name)
      execFileSync('useradd', ['-m', '-d', home, '-s', shell, name], { stdio: 'pipe' })
      made.push(name)
      if (password !== undefined) execFileSync('chpasswd', { input: `${name}:${password}\n` })
      else execFileSync('usermod', ['-p', '*', name], { stdio: 'pipe' })
      const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
      return { name, home, uid: id('-u'), gid: id('-g') }
    },
    key(account, { passphrase = '', options = '' } = {}) {
      const file = at(`key-${randomBytes(4).toString('hex')}`)
      keygen('-q', '-t', 'ed25519', '-N', passphrase, '-f', file)
      const folder = join(account.home, '.ssh')
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const line = `${options}${options === '' ? '' : ' '}${readFileSync(`${file}.pub`, 'utf8')}`
      writeFileSync(join(folder, 'authorized_keys'), line, { flag: 'a', mode: 0o600 })
      for (const path of [folder, join(folder, 'authorized_keys')]) {
        chownSync(path, account.uid, account.gid)
      }
      return readAndRemove(file)
    },
    certified(account) {
      const file = at(`key-${randomBytes(4).toString('hex')}`)
      keygen('-q', '-t', 'ed25519', '-N', '', '-f', file)
      keygen('-q', '-s', at('ca'), '-I', 'test', '-n', account.name, '-V', '+1h', `${file}.pub`)
      const certificate = readAndRemove(`${file}-cert.pub`)
      return { key: readAndRemove(file), certificate }
    },
    async changeHostKey() {
      makeHostKey()
      await stop()
      await start()
    },
    async restart(first) {
      await stop()
      await start(first)
    },
    async stop() {
      await stop()
      for (const name of made) {
        // What an account still runs keeps it from being removed.
        execFileSync('sh', ['-c', 'pkill -KILL -u "$1"; exit 0', 'sh', name])
        execFileSync('userdel', ['-f', '-r', name], { stdio: 'ignore' })
      }
      rmSync(ground, { recursive: true, force: true })
    },
  }
}

/** What is lent lies nowhere but in the memory of the test. */
function readAndRemove(file: string): Buffer {
  const bytes = readFileSync(file)
  rmSync(file)
  return bytes
}
