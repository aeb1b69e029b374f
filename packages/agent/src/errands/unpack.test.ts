import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OcmError, type UnpackErrand, fromBase64url, pathFromBytes } from '@ocm/protocol'
import { hostileArchives } from '../archive/testing/hostile.ts'
import {
  END,
  STATE,
  archive,
  at,
  directory,
  extended,
  file,
  honest,
  link,
  manifest,
  record,
} from '../archive/testing/tar.ts'
import { unpack } from './unpack.ts'

let dir: string
let to: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocm-unpack-'))
  to = join(dir, 'in')
  mkdirSync(to)
  mkdirSync(join(dir, 'out'))
  writeFileSync(join(dir, 'out', 'secret'), 'SECRET')
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

function unpacked(bytes: Buffer, more: Partial<UnpackErrand> = {}) {
  writeFileSync(join(dir, 'archive.tar.gz'), bytes)
  return unpack(() => Promise.resolve(), {
    kind: 'unpack',
    archive: join(dir, 'archive.tar.gz'),
    to,
    skipLinks: false,
    maxRatio: 100,
    ...more,
  })
}

/** Everything in a directory, with what could have been done to it. */
const seen = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => {
      const stat = lstatSync(join(folder, name))
      const content = stat.isFile() ? readFileSync(join(folder, name), 'utf8') : ''
      return `${name} ${stat.mode.toString(8)} ${stat.nlink} ${content}`
    })

const counts = { refused: 0, outside: 0, silent: 0, left: 0 }
const cases = hostileArchives('/tmp/ocm-unpack-nowhere')

describe('an archive that', () => {
  test.each(cases)(
    '$does is refused whole',
    async ({ code, make }) => {
      const before = seen(join(dir, 'out'))
      const outcome = await unpacked(make()).then(
        () => 'no error',
        (error: unknown) => (error instanceof OcmError ? error.code : String(error)),
      )
      const outside = seen(join(dir, 'out')).join('\n') === before.join('\n') ? 0 : 1
      const others = readdirSync(dir).toSorted().join()
      counts.outside += outside + (others === 'archive.tar.gz,in,out' ? 0 : 1)
      counts.left += readdirSync(to).length
      if (outcome === 'no error') counts.silent += 1
      else counts.refused += 1
      expect(outcome).toBe(code)
      expect([outside, others, readdirSync(to)]).toEqual([0, 'archive.tar.gz,in,out', []])
      expect(existsSync('/tmp/ocm-unpack-nowhere')).toBe(false)
      // A few of them are large.
    },
    120_000,
  )

  afterAll(() => {
    console.log(
      `hostile archives: ${counts.refused} of ${cases.length} refused, ${counts.outside} wrote outside, ` +
        `${counts.left} left something behind, ${counts.silent} silent successes`,
    )
  })
})

const state = () => join(to, STATE)

describe('an honest archive', () => {
  test('is unpacked with its modes and times', async () => {
    const result = await unpacked(
      archive(directory(at('agents/')), file(at('agents/a.sh'), '#!', { mode: 0o6755 })),
    )
    expect(result).toMatchObject({ leftOut: [], links: [] })
    expect(result.origin.layout.roots).toEqual({ home: '/home/ada', state: STATE })
    expect(result.origin.layout.versions.openclaw).toBe('2026.9.6')
    expect(readFileSync(join(state(), 'agents/a.sh'), 'utf8')).toBe('#!')
    const stat = statSync(join(state(), 'agents/a.sh'))
    expect([stat.mode & 0o7777, stat.mtimeMs]).toEqual([0o755, 1_700_000_000_000])
    expect(statSync(join(state(), 'openclaw.json')).mode & 0o777).toBe(0o600)
  })

  test('may have long names, and bytes that are no text where it says so', async () => {
    const long = `deep/${'n'.repeat(200)}`
    await unpacked(
      archive(
        extended(
          record('path', at(long)),
          record('mtime', '1700000000.5'),
          record('SCHILY.ino', '7'),
        ),
        file('short', 'long'),
        extended(record('hdrcharset', 'BINARY'), record('path', at('latin-\xe9'))),
        file('short', 'raw'),
      ),
    )
    expect(readFileSync(join(state(), long), 'utf8')).toBe('long')
    const raw = Buffer.concat([Buffer.from(`${state()}/latin-`), Buffer.of(0xe9)])
    expect(readFileSync(raw, 'utf8')).toBe('raw')
  })

  test('has its links told, absolute ones made relative, and none made', async () => {
    const { links } = await unpacked(
      archive(
        file(at('workspace/tool.sh')),
        link(at('workspace/here'), 'tool.sh'),
        link(at('workspace/sub/there'), `${STATE}/workspace/tool.sh`),
        link(at('workspace/dangling'), 'nowhere'),
      ),
    )
    const told = links.map(({ path, target }) =>
      [path, target].map((text) => pathFromBytes(fromBase64url(text))),
    )
    expect(told).toEqual([
      [`${STATE}/workspace/here`, 'tool.sh'],
      [`${STATE}/workspace/sub/there`, '../tool.sh'],
      [`${STATE}/workspace/dangling`, 'nowhere'],
    ])
    expect(readdirSync(join(state(), 'workspace')).toSorted()).toEqual(['sub', 'tool.sh'])
  })

  test('loses only links that lead out of it when that is wanted, and says which', async () => {
    const bytes = archive(link(at('python'), '/usr/bin/python3'), link(at('ok'), 'openclaw.json'))
    const { leftOut, links } = await unpacked(bytes, { skipLinks: true })
    expect(leftOut).toEqual([`${STATE}/python`])
    expect(links).toHaveLength(1)
  })

  test('may be mostly zeros when that is allowed', async () => {
    const bytes = archive(file(at('zeros'), Buffer.alloc(8 << 20)))
    await unpacked(bytes, { maxRatio: 1100 })
    expect(statSync(join(state(), 'zeros')).size).toBe(8 << 20)
  })

  test('is refused when the wrong thing is the last of 10,000', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => file(at(`many/${n}`), `${n * 7919}`))
    const bytes = gzipSync(Buffer.concat([honest(), ...many, manifest(), file('../pwn'), END]))
    await expect(unpacked(bytes)).rejects.toMatchObject({ code: 'archive-refused' })
    expect(readdirSync(to)).toEqual([])
  })

  test('is not unpacked into what is not empty', async () => {
    writeFileSync(join(to, 'mine'), '')
    await expect(unpacked(archive())).rejects.toMatchObject({ code: 'target-not-empty' })
  })
})
