/** `ocm login` and `ocm logout`. The password is used once, for a token of this machine's own. */
import { hostname } from 'node:os'
import { type Me, OcmError } from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { connect } from '../node.ts'
import type { Context } from './context.ts'
import { trusted } from './certificate.ts'
import { askPassword, warnOfPlainHttp } from './secrets.ts'
import { readSettings, writeSettings } from './settings.ts'
import type { Terminal } from './terminal.ts'

export async function logIn(
  { terminal, ports, access }: Context,
  given: { readonly name?: string },
): Promise<void> {
  const { url } = ports.api
  const reached = { url, ...(await trusted(terminal, url, access.certificate)) }
  // Not with the token that may be at hand: it may be worthless.
  const { api } = connect(reached)
  warnOfPlainHttp(terminal, url)
  const settings = await readSettings(terminal.env)
  const name = given.name ?? (await terminal.ask('Name', 'shown', settings.name))
  const me = await api.login(name, await askPassword(terminal))
  await keepToken(terminal, api, me, { label: `ocm on ${hostname()}`, ...reached })
  terminal.say(`Logged in to ${url} as ${me.name}.`)
  if (terminal.json) terminal.result({ ...me, url }, '')
}

/** Turns the session of a login into a token, so that the session need not be kept. */
export async function keepToken(
  terminal: Terminal,
  api: ApiClient,
  me: Me,
  { label, certificate }: { readonly label: string; readonly certificate?: string },
): Promise<void> {
  const { id, token } = await api.makeToken(label.slice(0, 64))
  await writeSettings(terminal.env, {
    url: api.url,
    token,
    tokenId: id,
    name: me.name,
    ...(certificate === undefined ? {} : { certificate }),
  })
  await api.logout()
}

export async function logOut({ terminal, ports }: Context): Promise<void> {
  const { token, tokenId, ...rest } = await readSettings(terminal.env)
  const url = rest.url
  if (token !== undefined && tokenId !== undefined && url !== undefined) {
    try {
      const { certificate } = rest
      const pin = certificate === undefined ? {} : { certificate }
      await connect({ url, token, ...pin }).api.dropToken(tokenId)
    } catch (error) {
      // A token that the hub no longer takes is what was wanted.
      const gone = error instanceof OcmError && ['login-needed', 'not-found'].includes(error.code)
      if (!gone) throw error
    }
  }
  await writeSettings(terminal.env, rest)
  terminal.say('Logged out.')
  if (terminal.json) terminal.result({ url: url ?? ports.api.url }, '')
}
