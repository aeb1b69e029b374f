/** Which hub this machine speaks to, and as whom. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { readPrivate, writePrivate } from '../node/file-memory.ts'

export interface Settings {
  readonly url?: string
  /** An API token of that hub, and its id for giving it back. */
  readonly token?: string
  readonly tokenId?: string
  readonly name?: string
  /** The fingerprint of the only certificate to be taken from it. */
  readonly certificate?: string
}

type Env = Readonly<Record<string, string | undefined>>

export const DEFAULT_URL = 'http://127.0.0.1:8001'

export function settingsDirectory(env: Env): string {
  const base = env['XDG_CONFIG_HOME']
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.config'), 'ocm')
}

const fileOf = (env: Env) => join(settingsDirectory(env), 'config.json')
export const memoryFileOf = (env: Env): string => join(settingsDirectory(env), 'seen.json')

export async function readSettings(env: Env): Promise<Settings> {
  const value = ((await readPrivate(fileOf(env))) ?? {}) as Record<string, unknown>
  const text = (key: keyof Settings) =>
    typeof value[key] === 'string' ? { [key]: value[key] } : {}
  return {
    ...text('url'),
    ...text('token'),
    ...text('tokenId'),
    ...text('name'),
    ...text('certificate'),
  }
}

export const writeSettings = (env: Env, settings: Settings): Promise<void> =>
  writePrivate(fileOf(env), settings)

/** @throws OcmError 'wrong-use' */
export function hubUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new OcmError('wrong-use', {
      what: 'The address of a hub looks like http://127.0.0.1:8001',
    })
  }
  return url.origin
}

/** True for an address that never leaves this machine. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}

export interface Access {
  readonly url: string
  readonly token: string | undefined
  readonly certificate?: string
}

/** The stored token goes to the hub that issued it and to no other. */
export async function accessOf(
  env: Env,
  option: string | undefined,
  fingerprint: string | undefined = env['OCM_CERTIFICATE'],
): Promise<Access> {
  const settings = await readSettings(env)
  const stored = settings.url === undefined ? undefined : hubUrl(settings.url)
  const url = hubUrl(option ?? env['OCM_URL'] ?? stored ?? DEFAULT_URL)
  const token = env['OCM_TOKEN'] ?? (url === stored ? settings.token : undefined)
  const certificate = fingerprint ?? (url === stored ? settings.certificate : undefined)
  return { url, token, ...(certificate === undefined ? {} : { certificate }) }
}
