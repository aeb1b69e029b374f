/**
 * The one way ssh is started: a list that is the same for every connection but for addresses by the grammar and paths of
 * our own making. It reads no configuration of anybody, trusts the pinned key alone, forwards nothing and leaves no
 * master behind: one lease is one connection with one session.
 */
import { OcmError } from '../errors.ts'
import { type SshConnection, type SshHop, checkConnection } from './connection.ts'

/** `own`: the operator's own agent, keys and terminal, on the operator's machine. */
export type SshOffer = 'password' | 'key' | 'own'

/** Files in a directory of our own, 0700. Letters, digits and `._/+-` alone. */
export interface SshPlaces {
  /** What `knownHosts` wrote. */
  readonly knownHosts: string
  /** The socket of a private ssh-agent that holds one key. */
  readonly identityAgent?: string
  readonly certificate?: string
}

export interface SshCall {
  readonly connection: SshConnection
  readonly offer: SshOffer
  readonly places: SshPlaces
  /** For the host on the way, if there is one. */
  readonly jump?: { readonly offer: SshOffer; readonly places: SshPlaces }
  /** What is run there; undefined for a look at the host's key. */
  readonly command?: string
  /** A program of ours that is told the key of a host which is looked at; it runs as `PROGRAM look TYPE KEY`. */
  readonly look?: string
}

/** Under these names keys are pinned, and ssh asks for passwords, whatever a host is called or resolves to. */
const ALIAS = { node: 'ocm-node', jump: 'ocm-jump' } as const

/** The file that pins: one line a key. */
export const knownHosts = ({ hostKeys, jump }: SshConnection): string =>
  [
    ...hostKeys.map((key) => `${ALIAS.node} ${key}\n`),
    ...(jump?.hostKeys ?? []).map((key) => `${ALIAS.jump} ${key}\n`),
  ].join('')

/** Whose password ssh asks for; the name stands before anything that a server writes. */
export function askedFor(prompt: string): keyof typeof ALIAS | undefined {
  const name = /^\(?[^@\s()]{1,64}@(ocm-node|ocm-jump)(?:'s password|\))/.exec(prompt)?.[1]
  return name === ALIAS.node ? 'node' : name === ALIAS.jump ? 'jump' : undefined
}

const FIXED = [
  'AddKeysToAgent=no',
  'CanonicalizeHostname=no',
  'CheckHostIP=no',
  // Before all others: half of the processor time of what ssh prefers, where the processor knows AES, as most do.
  'Ciphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com',
  'ClearAllForwardings=yes',
  'Compression=no',
  'ConnectionAttempts=1',
  'ConnectTimeout=10',
  'ControlMaster=no',
  'ControlPath=none',
  'EscapeChar=none',
  'ForwardAgent=no',
  'ForwardX11=no',
  'GlobalKnownHostsFile=/dev/null',
  'GSSAPIAuthentication=no',
  'HashKnownHosts=no',
  'HostbasedAuthentication=no',
  // Keys are pinned, and no authority: a host that has a certificate is to show the key itself.
  'HostKeyAlgorithms=-ssh-rsa,ssh-dss,*-cert-v01@openssh.com',
  'KexAlgorithms=-*sha1',
  'LogLevel=ERROR',
  'NumberOfPasswordPrompts=1',
  'PermitLocalCommand=no',
  'RequestTTY=no',
  'ServerAliveCountMax=3',
  'ServerAliveInterval=15',
  'StrictHostKeyChecking=yes',
  'TCPKeepAlive=yes',
  'Tunnel=no',
  'UpdateHostKeys=no',
  'VerifyHostKeyDNS=no',
] as const

const OFFERS = {
  password: [
    'BatchMode=no',
    'IdentityAgent=none',
    'IdentityFile=none',
    'PreferredAuthentications=password,keyboard-interactive',
    'PubkeyAuthentication=no',
  ],
  key: [
    'BatchMode=yes',
    'IdentityFile=none',
    'KbdInteractiveAuthentication=no',
    'PasswordAuthentication=no',
    'PreferredAuthentications=publickey',
  ],
  own: ['BatchMode=no'],
} as const satisfies Record<SshOffer, readonly string[]>

/**
 * What stands behind `ssh`.
 * @throws OcmError 'ssh-address-refused', and 'ssh-host-key-unknown' for a host without a pinned key that is not looked at
 */
export function sshArguments(call: SshCall): readonly string[] {
  const connection = checkConnection(call.connection)
  const { jump } = connection
  const isLook = call.look !== undefined
  if (!isLook && connection.hostKeys.length === 0) throw new OcmError('ssh-host-key-unknown')
  const words = [...options(ALIAS.node, connection, call.offer, call.places)]
  words.push('-o', `KnownHostsCommand=${isLook ? `${place(call.look)} look %t %K` : 'none'}`)
  words.push('-o', `ProxyCommand=${jump ? throughJump(call, jump, connection) : 'none'}`)
  words.push('--', `${connection.user}@${connection.host}`)
  return call.command === undefined ? words : [...words, call.command]
}

function options(
  alias: string,
  hop: SshHop,
  offer: SshOffer,
  places: SshPlaces,
): readonly string[] {
  const more = [
    `HostKeyAlias=${alias}`,
    `UserKnownHostsFile=${place(places.knownHosts)}`,
    ...(places.identityAgent === undefined ? [] : [`IdentityAgent=${place(places.identityAgent)}`]),
    ...(places.certificate === undefined ? [] : [`CertificateFile=${place(places.certificate)}`]),
  ]
  const settings = [...FIXED, ...OFFERS[offer], ...more]
  return ['-F', '/dev/null', '-T', '-p', String(hop.port), ...settings.flatMap((s) => ['-o', s])]
}

/** `-J` would take none of these options along to the host on the way. */
function throughJump(call: SshCall, jump: SshHop, { host, port }: SshHop): string {
  if (jump.hostKeys.length === 0) throw new OcmError('ssh-host-key-unknown')
  const { offer, places } = call.jump ?? { offer: call.offer, places: call.places }
  const to = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const own = ['-o', 'KnownHostsCommand=none', '-o', 'ProxyCommand=none']
  const words = [...options(ALIAS.jump, jump, offer, places), ...own, '-W', to]
  return ['ssh', ...words, '--', `${jump.user}@${jump.host}`].map(quote).join(' ')
}

/** A ProxyCommand is read by a shell, and by ssh for percent signs first: there are none in our words. */
const quote = (word: string) => (/^[A-Za-z0-9_./:=@,+-]+$/.test(word) ? word : `'${word}'`)

function place(path: string | undefined): string {
  if (path === undefined || !/^\/[A-Za-z0-9._/+-]+$/.test(path)) {
    throw new OcmError('ssh-address-refused', { what: 'path', why: 'grammar' })
  }
  return path
}
