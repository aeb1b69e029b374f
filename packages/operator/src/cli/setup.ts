/** `ocm setup`: makes the vault on this machine and closes the hub's set-up. */
import { hostname } from 'node:os'
import { writeFile } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import { connect } from '../node.ts'
import { proposePassphrase } from '../vault/passphrase.ts'
import { prepareSetup } from '../vault/setup.ts'
import { trusted } from './certificate.ts'
import type { Context } from './context.ts'
import { keepToken } from './login.ts'
import { askNewPassphrase, askPassword, warnOfPlainHttp } from './secrets.ts'
import type { Terminal } from './terminal.ts'

export interface SetupOptions {
  readonly link?: string
  readonly name?: string
  readonly kit?: string
}

export async function setUp({ terminal, access }: Context, given: SetupOptions): Promise<void> {
  const { url, secret } = readLink(given.link ?? (await terminal.ask('Set-up link', 'shown')))
  const reached = { url, ...(await trusted(terminal, url, access.certificate)) }
  const ports = connect(reached)
  const { open, hubKey } = await ports.api.setupState()
  if (!open) throw new OcmError('setup-closed')
  warnOfPlainHttp(terminal, url)
  const name = given.name ?? (await terminal.ask('Your name', 'shown'))
  const password = await newPassword(terminal)
  const passphrase = await askNewPassphrase(
    terminal,
    proposePassphrase(ports.p),
    password,
    'OCM_PASSPHRASE_FILE',
  )
  const wish = { name, password, passphrase, hubKey, now: ports.now() }
  const { request, kit } = await prepareSetup(ports.p, wish)
  if (given.kit !== undefined) await writeKit(given.kit, kit.text)
  if (!terminal.json) terminal.result(undefined, kit.text)
  const kept = await terminal.approve('Have you printed this kit, or put it where the hub is not?')
  if (!kept) throw new OcmError('declined')
  const me = await ports.api.setup({ ...request, secret })
  await keepToken(terminal, ports.api, me, { label: `ocm on ${hostname()}`, ...reached })
  terminal.say(`The hub at ${url} is set up, and you are logged in as ${me.name}.`)
  if (terminal.json) terminal.result({ ...me, url, kit }, '')
}

/** `http://hub:8001/setup#secret`. @throws OcmError 'setup-link-invalid' */
export function readLink(link: string): { readonly url: string; readonly secret: string } {
  const url = URL.parse(link.trim())
  const secret = url?.hash.slice(1) ?? ''
  if (!url || !/^https?:$/.test(url.protocol) || secret.length < 16) {
    throw new OcmError('setup-link-invalid')
  }
  return { url: url.origin, secret }
}

async function newPassword(terminal: Terminal): Promise<string> {
  for (;;) {
    const password = await askPassword(terminal)
    if (password.length >= 10) return password
    if (!terminal.attended || fromFile(terminal, 'OCM_PASSWORD_FILE')) {
      throw new OcmError('wrong-use', { what: 'The login password needs at least 10 characters' })
    }
    terminal.say('The login password needs at least 10 characters.')
  }
}

const fromFile = ({ env }: Terminal, variable: string) => (env[variable] ?? '') !== ''

/** @throws OcmError 'wrong-use', also for a file that is there already */
export async function writeKit(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new OcmError('wrong-use', { what: `The kit cannot be written to ${path}` }, { cause })
  }
}
