/** Archives for tests, made byte by byte so that they can be wrong in any way. */
import { gzipSync } from 'node:zlib'

export interface Raw {
  readonly name: string
  readonly type?: string
  readonly size?: number
  readonly link?: string
  readonly mode?: number
  readonly prefix?: string
  readonly magic?: string
  readonly device?: readonly [number, number]
  /** Instead of the octal size. */
  readonly sizeField?: string | Buffer
  readonly checksum?: number
}

const octal = (n: number, width: number) => `${n.toString(8).padStart(width, '0')}\0`

export function header(raw: Raw): Buffer {
  const block = Buffer.alloc(512)
  block.write(raw.name, 0, 100, 'latin1')
  block.write(octal(raw.mode ?? 0o644, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(raw.size ?? 0, 11), 124)
  if (typeof raw.sizeField === 'string') block.write(raw.sizeField, 124)
  else if (raw.sizeField !== undefined) block.set(raw.sizeField, 124)
  block.write(octal(1_700_000_000, 11), 136)
  block.write(raw.type ?? '0', 156)
  block.write(raw.link ?? '', 157, 100, 'latin1')
  block.write(raw.magic ?? 'ustar\x0000', 257, 'latin1')
  const [major, minor] = raw.device ?? [0, 0]
  block.write(octal(major, 7), 329)
  block.write(octal(minor, 7), 337)
  block.write(raw.prefix ?? '', 345, 155, 'latin1')
  block.write('        ', 148)
  const sum = raw.checksum ?? block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

const padded = (data: Buffer) =>
  Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)])

export function file(
  name: string,
  content: string | Buffer = 'PWN',
  more: Partial<Raw> = {},
): Buffer {
  const data = typeof content === 'string' ? Buffer.from(content) : content
  return Buffer.concat([header({ name, size: data.length, ...more }), padded(data)])
}

export const directory = (name: string, mode = 0o755): Buffer => header({ name, type: '5', mode })
export const link = (name: string, target: string): Buffer =>
  header({ name, type: '2', link: target, mode: 0o777 })

export function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const bytes = Buffer.byteLength(rest, 'latin1')
  let length = bytes + 1
  while (String(length).length + bytes !== length) length = String(length).length + bytes
  return `${length}${rest}`
}

export const extended = (...records: readonly string[]): Buffer =>
  file('PaxHeader/x', Buffer.from(records.join(''), 'latin1'), { type: 'x' })

export const END = Buffer.alloc(1024)

export const ROOT = '2026-01-01T00-00-00.000Z-openclaw-backup'
export const STATE = '/home/ada/.openclaw'
/** Where in the archive something of the state directory lies. */
export const at = (path: string): string => `${ROOT}/payload/posix${STATE}/${path}`

export function manifest(more: object = {}): Buffer {
  const text = JSON.stringify({
    schemaVersion: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    archiveRoot: ROOT,
    runtimeVersion: '2026.9.6',
    platform: 'linux',
    nodeVersion: '24.21.0',
    paths: { stateDir: STATE, configPath: `${STATE}/openclaw.json` },
    assets: [{ kind: 'state', sourcePath: STATE, archivePath: `${ROOT}/payload/posix${STATE}` }],
    externalSymbolicLinks: [],
    ...more,
  })
  return file(`${ROOT}/manifest.json`, text)
}

/** What an honest archive begins with. */
export const honest = (): Buffer =>
  Buffer.concat([
    directory(`${ROOT}/payload/posix${STATE}/`, 0o700),
    file(at('openclaw.json'), '{ "gateway": { "mode": "local" } }', { mode: 0o600 }),
  ])

export const archive = (...parts: readonly Buffer[]): Buffer =>
  gzipSync(Buffer.concat([honest(), ...parts, manifest(), END]))
