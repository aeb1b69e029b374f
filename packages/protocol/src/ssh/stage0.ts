/**
 * What is run on a node through ssh before the agent is there: a line of shell that finds a Node and makes the agent's
 * directory, and a line of JavaScript that takes the agent's bundle from standard input unless the directory holds it
 * already, checks its hash and runs it.
 *
 * Whoever dials and what is dialled say to each other:
 *
 *     ◀ OCM0 <nonce> want            send the bundle: u32 big-endian length, then deflate (RFC 1950) of it
 *     ▶ <bundle>
 *     ◀ OCM0 <nonce> preface         the agent is there: send the preface
 *     ▶ preface                      one record (see records.ts) with StdioPreface as JSON
 *     ◀ OCM0 <nonce> ready           it can begin; everything behind this line is records
 *     ◀▶ records                     the handshake, begun by the agent, and what follows
 *
 * or, at any place before `ready`, a word that says why not:
 *
 *     ◀ OCM0 <nonce> no-node 20.20 22.3      versions found, all too old; none when there is no Node
 *     ◀ OCM0 <nonce> no-place                the agent's directory cannot be made
 *     ◀ OCM0 <nonce> bad-bundle              what arrived has another hash
 *     ◀ OCM0 <nonce> failed <code>           the agent could not begin; an ErrorCode
 *
 * Behind a forced command the agent finds the nonce in SSH_ORIGINAL_COMMAND and begins with `preface`.
 */
import { type Static, Type } from 'typebox'
import { base64url, fromUtf8, utf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { writeRecord } from '../link/records.ts'
import { check } from '../shapes.ts'
import { NodePath, type SshConnection, checkConnection } from './connection.ts'
import { PROBE } from './probe.ts'

export const MARKER = 'OCM0'
/** The name of the shell that runs stage 0; a forced command finds the nonce behind it. */
const NAME = 'ocm0'

/** A bundle is a few megabytes. */
const MOST_BUNDLE = 64 * 1024 * 1024

/**
 * How the C library and V8 keep memory is settled before a process starts; the agent's lean.ts says why. With a fixed
 * threshold packs and windows are given back when they are freed, instead of being kept in an arena. A lower one costs
 * more in page faults than it saves: at 128 KiB three times the system time for nothing that could be measured.
 */
export const LEAN_ENV = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '4194304',
} as const
/** Megabytes for young objects: V8 lets this grow sixteenfold while a manifest is made, and never gives it back. */
export const LEAN_FLAGS = ['--max-semi-space-size=4'] as const

/** `$1` nonce, `$2` hash of the bundle, `$3` what is appended to the directory's name, `$4` the JavaScript as base64url. */
const SHELL = [
  'umask 077',
  `say() { echo; echo "${MARKER} $n $*"; }`,
  'n=$1',
  PROBE,
  'find_node || { say no-node $old; exit 0; }',
  'd="${XDG_STATE_HOME:-$HOME/.local/state}/ocm-agent$3"',
  'mkdir -p "$d" && chmod 700 "$d" && [ -w "$d" ] || { say no-place; exit 0; }',
  `export ${Object.entries(LEAN_ENV)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}`,
  `exec "$node" ${LEAN_FLAGS.join(' ')} -e "eval(Buffer.from(process.argv[1],String.fromCharCode(98,97,115,101,54,52,117,114,108)).toString())" "$4" "$n" "$2" "$d"`,
].join('; ')

const SCRIPT = `
const fs = require('node:fs')
const { createHash } = require('node:crypto')
const { inflateSync } = require('node:zlib')
const { pathToFileURL } = require('node:url')
const [node, , nonce, wanted, dir] = process.argv
const file = dir + '/agent-' + wanted + '.mjs'
const say = (word) => fs.writeSync(1, '\\n${MARKER} ' + nonce + ' ' + word + '\\n')
const isWanted = (bytes) => createHash('sha256').update(bytes).digest('hex') === wanted
function take(length) {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    let got = -1
    try {
      got = fs.readSync(0, bytes, at, length - at)
    } catch (error) {
      if (error.code === 'EOF') got = 0
      else if (error.code !== 'EAGAIN') throw error
    }
    if (got === 0) process.exit(0)
    if (got < 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    else at += got
  }
  return bytes
}
function kept() {
  try {
    return isWanted(fs.readFileSync(file))
  } catch (error) {
    return false
  }
}
function fetch() {
  say('want')
  const length = take(4).readUInt32BE()
  if (length > ${MOST_BUNDLE}) return false
  const bytes = inflateSync(take(length), { maxOutputLength: ${MOST_BUNDLE} })
  if (!isWanted(bytes)) return false
  for (const name of fs.readdirSync(dir)) {
    if (/^agent-[0-9a-f]{64}\\.mjs/.test(name)) fs.rmSync(dir + '/' + name)
  }
  const fresh = file + '.' + process.pid
  fs.writeFileSync(fresh, bytes, { mode: 0o600 })
  fs.renameSync(fresh, file)
  return true
}
if (kept() || fetch()) {
  process.argv = [node, file, 'stdio', '--state', dir, '--nonce', nonce]
  import(pathToFileURL(file).href)
} else say('bad-bundle')
`

export interface Stage0 {
  readonly connection: SshConnection
  /** 32 hexadecimal digits, fresh for each call. */
  readonly nonce: string
  /** SHA-256 of the bundle, 64 hexadecimal digits. */
  readonly bundle: string
}

/** What sudo asks with, so that its question is told from everything else that is printed. */
export const sudoPrompt = (nonce: string): string => `OCM-SUDO-${nonce}`

/**
 * The command behind the destination: one line that the login shell there reads, whichever it is.
 * @throws OcmError 'ssh-address-refused'
 */
export function remoteCommand({ connection, nonce, bundle }: Stage0): string {
  const { sudo, container, profile } = checkConnection(connection)
  if (!/^[0-9a-f]{32}$/.test(nonce) || !/^[0-9a-f]{64}$/.test(bundle))
    throw new OcmError('internal')
  const words: string[] = []
  if (sudo?.password) words.push('sudo', '-k', '-S', '-H', '-p', sudoPrompt(nonce))
  else if (sudo) words.push('sudo', '-n', '-H')
  if (sudo) words.push('-u', sudo.user, '--')
  if (container) words.push(container.tool, 'exec', '-i')
  if (container?.user !== undefined) words.push('-u', container.user)
  if (container) words.push(container.name)
  const suffix = profile === undefined ? '' : `-${profile}`
  const script = base64url(utf8(SCRIPT))
  return [...words, 'sh', '-c', `'${SHELL}'`, NAME, nonce, bundle, `'${suffix}'`, script].join(' ')
}

/** Behind a forced command: what the caller would have run. Undefined when it was not this. */
export const nonceOf = (originalCommand: string): string | undefined =>
  new RegExp(`(?:^| )${NAME} ([0-9a-f]{32}) [0-9a-f]{64} `).exec(originalCommand)?.[1]

export const StdioPreface = Type.Object({
  v: Type.Literal(1),
  openclawHome: Type.Optional(NodePath),
  openclawBin: Type.Optional(NodePath),
  /** The join string, for an agent that is not enrolled; one that is does not look at it. */
  join: Type.Optional(Type.String({ maxLength: 4096 })),
})
export type StdioPreface = Static<typeof StdioPreface>

export const prefaceOf = (
  { openclawHome, openclawBin }: SshConnection,
  join?: string,
): StdioPreface => ({
  v: 1,
  ...(openclawHome !== undefined && { openclawHome }),
  ...(openclawBin !== undefined && { openclawBin }),
  ...(join !== undefined && { join }),
})

export const writePreface = (preface: StdioPreface): Uint8Array =>
  writeRecord(utf8(JSON.stringify(preface)))

/** @param record without its length. @throws OcmError 'malformed' */
export function readPreface(record: Uint8Array): StdioPreface {
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(record))
  } catch (cause) {
    throw new OcmError('malformed', { what: 'preface' }, { cause })
  }
  return check(StdioPreface, value, 'preface')
}
