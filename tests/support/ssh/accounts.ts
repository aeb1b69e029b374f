/** What accounts of a test have and run. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { smallHome } from '../small-home.ts'
import type { Account, TestSshd } from './sshd.ts'

const asked = (script: string, argument: string) =>
  execFileSync('sh', ['-c', `${script}; exit 0`, 'sh', argument], { encoding: 'utf8' }).trim()

export const processesOf = ({ name }: Account): string =>
  asked('ps -o stat=,args= -u "$1" | grep -v "^Z"', name)

export const childrenOf = (pid: number): string => asked('ps -o args= --ppid "$1"', String(pid))

/** A Node that only nvm knows. */
export function giveNode(home: string): void {
  const bin = join(home, '.nvm/versions/node/v24.21.0/bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(process.execPath, join(bin, 'node'))
}

export function own({ home, uid, gid }: Account): void {
  execFileSync('chown', ['-R', '-h', `${uid}:${gid}`, home])
}

export interface AccountWish {
  readonly password?: string
  readonly shell?: string
  readonly node?: boolean
}

/** An account with an OpenClaw, and a Node that only nvm knows: in PATH is an older one, or none. */
export function openclawAccount(sshd: TestSshd, { node = true, ...options }: AccountWish): Account {
  const account = sshd.account(options)
  if (node) giveNode(account.home)
  smallHome(account.home, 19_999)
  own(account)
  return account
}
