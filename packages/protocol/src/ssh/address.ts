/**
 * Whom ssh may be pointed at. Every word that reaches its command line passes here first, so that none of them can be an
 * option, a second command or a place that only the hub's own machine can see (the metadata services of clouds).
 */
import { OcmError } from '../errors.ts'

/** Why an address is refused; a fact of 'ssh-address-refused'. */
export type AddressWhy =
  | 'empty'
  | 'too-long'
  | 'grammar'
  | 'zone'
  | 'number'
  | 'unspecified'
  | 'multicast'
  | 'link-local'
  | 'metadata'

export type AddressPart = 'host' | 'port' | 'user' | 'container' | 'profile' | 'path'

export const USER_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$'
export const CONTAINER_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'
/** A second node of one account. */
export const PROFILE_PATTERN = '^[a-z0-9][a-z0-9-]{0,31}$'

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
/** What resolvers take for a number in some base: 0x7f000001, 2130706433, 127.1. */
const NUMERIC = /^(?:0x[0-9a-f]*|[0-9]+)$/
const HOST_LETTERS = 253

const refuse = (what: AddressPart, why: AddressWhy): never => {
  throw new OcmError('ssh-address-refused', { what, why })
}

/**
 * @returns the host as it may be handed to ssh: a name of letters, an IPv4 or an IPv6 address without a zone, lower case.
 * @throws OcmError 'ssh-address-refused' with `what` and `why`
 */
export function checkHost(text: string): string {
  if (text === '') refuse('host', 'empty')
  if (text.length > HOST_LETTERS) refuse('host', 'too-long')
  if (text.includes('%')) refuse('host', 'zone')
  const host = text.toLowerCase()
  if (host.includes(':')) {
    const groups = readIpv6(host)
    if (!groups) return refuse('host', 'grammar')
    const why = whyNotIpv6(groups)
    return why ? refuse('host', why) : host
  }
  const labels = host.split('.')
  if (!labels.every((label) => LABEL.test(label))) refuse('host', 'grammar')
  if (NUMERIC.test(labels.at(-1) as string)) {
    const bytes = readIpv4(host)
    if (!bytes) return refuse('host', 'number')
    const why = whyNotIpv4(bytes)
    return why ? refuse('host', why) : host
  }
  return host
}

/** What a name resolved to, judged before anything is connected. Undefined when it may be dialled. */
export function whyNotAddress(ip: string): AddressWhy | undefined {
  const four = readIpv4(ip)
  if (four) return whyNotIpv4(four)
  const six = readIpv6(ip.toLowerCase())
  return six ? whyNotIpv6(six) : ip.includes('%') ? 'zone' : 'grammar'
}

/** @throws OcmError 'ssh-address-refused' */
export function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse('port', 'grammar')
  return port
}

/** @throws OcmError 'ssh-address-refused' */
export function checkName(what: 'user' | 'container' | 'profile', text: string): string {
  if (text === '') refuse(what, 'empty')
  const pattern = { user: USER_PATTERN, container: CONTAINER_PATTERN, profile: PROFILE_PATTERN }
  // Without `m`, `$` matches before a last line feed in some engines, though not in this one.
  if (text.includes('\n') || !new RegExp(pattern[what]).test(text)) refuse(what, 'grammar')
  return text
}

export interface Destination {
  readonly host: string
  /** 22 when none was named. */
  readonly port: number
  readonly user: string | undefined
}

/**
 * What people type: `host`, `user@host`, `user@host:2222`, `user@[2001:db8::1]:2222`.
 * @throws OcmError 'ssh-address-refused'
 */
export function readDestination(text: string): Destination {
  const at = text.lastIndexOf('@')
  const user = at === -1 ? undefined : checkName('user', text.slice(0, at))
  const rest = text.slice(at + 1)
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(rest)
  const plain = /^([^:]*)(?::(\d{1,5}))?$/.exec(rest)
  const [, host = rest, port = '22'] = bracketed ?? plain ?? []
  return { host: checkHost(host), port: checkPort(Number(port)), user }
}

/** The inverse: `user@host`, and the port where it is not the usual one. */
export function writeDestination({ user, host, port }: Destination & { user: string }): string {
  const at = host.includes(':') ? `[${host}]` : host
  return port === 22 ? `${user}@${at}` : `${user}@${at}:${port}`
}

/** Four bytes of a dotted address without leading zeros, which some resolvers read as octal. */
function readIpv4(text: string): readonly number[] | undefined {
  const parts = text.split('.')
  const good = parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))
  const bytes = parts.map(Number)
  return good && bytes.every((byte) => byte <= 255) ? bytes : undefined
}

/** Eight groups of sixteen bits. */
function readIpv6(text: string): readonly number[] | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  let written = text
  if (dotted) {
    const [a = 0, b = 0, c = 0, d = 0] = readIpv4(dotted[2] as string) ?? [-1]
    if (a < 0) return undefined
    written = `${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  }
  const halves = written.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')))
  if (!head || ![...head, ...(tail ?? [])].every((group) => /^[0-9a-f]{1,4}$/.test(group))) {
    return undefined
  }
  const left = 8 - head.length - (tail?.length ?? 0)
  if (tail ? left < 1 : left !== 0) return undefined
  const groups = tail ? [...head, ...Array.from({ length: left }, () => '0'), ...tail] : head
  return groups.map((group) => Number.parseInt(group, 16))
}

/** Alibaba's, Oracle's and Azure's; those of the others are link-local. */
const METADATA_IPV4 = new Set(['100.100.100.200', '192.0.0.192', '168.63.129.16'])

function whyNotIpv4(bytes: readonly number[]): AddressWhy | undefined {
  const [a = 0, b = 0] = bytes
  if (a === 0) return 'unspecified'
  if (a === 169 && b === 254) return 'link-local'
  if (a >= 224) return 'multicast'
  return METADATA_IPV4.has(bytes.join('.')) ? 'metadata' : undefined
}

const isZero = (some: readonly number[]) => some.every((group) => group === 0)

function whyNotIpv6(groups: readonly number[]): AddressWhy | undefined {
  const [a = 0, b = 0] = groups
  const four = ipv4Within(groups)
  if (four) return whyNotIpv4(four)
  if (isZero(groups.slice(0, 7)) && (groups[7] as number) <= 1) {
    return groups[7] === 1 ? undefined : 'unspecified'
  }
  if ((a & 0xffc0) === 0xfe80) return 'link-local'
  if ((a & 0xff00) === 0xff00) return 'multicast'
  // Amazon's services of a machine, fd00:ec2::254 among them, and Google's fd20:ce::254.
  const isMetadata = (a === 0xfd00 && b === 0xec2) || (a === 0xfd20 && b === 0xce)
  return isMetadata ? 'metadata' : undefined
}

/** Where a system or its network goes when it is pointed at one of these: mapped, compatible, translated, or by 6to4. */
function ipv4Within(groups: readonly number[]): readonly number[] | undefined {
  const [a = 0, b = 0, c = 0, , e = 0, f = 0, g = 0, h = 0] = groups
  const within = isZero(groups.slice(0, 4))
  const isMapped = within && e === 0 && f === 0xffff
  const isCompatible = within && e === 0 && f === 0 && (g !== 0 || h > 1)
  const isTranslated = within && e === 0xffff && f === 0
  // NAT64: the well-known prefix, and those that a network may choose for itself.
  const isNat64 = a === 0x64 && b === 0xff9b && (isZero(groups.slice(2, 6)) || c === 1)
  if (isMapped || isCompatible || isTranslated || isNat64) return bytesOf(g, h)
  return a === 0x2002 ? bytesOf(b, c) : undefined
}

const bytesOf = (...groups: readonly number[]) =>
  groups.flatMap((group) => [group >> 8, group & 255])
