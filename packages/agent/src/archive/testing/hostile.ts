/** What a stranger's archive may try. Each is to be refused whole, with this code. */
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import {
  END,
  ROOT,
  STATE,
  archive,
  at,
  directory,
  extended,
  file,
  header,
  honest,
  link,
  manifest,
  record,
} from './tar.ts'

type Code = 'archive-refused' | 'archive-too-large' | 'archive-unreadable'

export interface Hostile {
  readonly does: string
  readonly code: Code
  readonly make: () => Buffer
}

const refuses = (does: string, make: () => Buffer): Hostile => ({
  does,
  code: 'archive-refused',
  make,
})
const exceeds = (does: string, make: () => Buffer): Hostile => ({
  does,
  code: 'archive-too-large',
  make,
})
const breaks = (does: string, make: () => Buffer): Hostile => ({
  does,
  code: 'archive-unreadable',
  make,
})

const MIB = 1024 * 1024

/** @param outside a directory that nothing may be written to. */
export const hostileArchives = (outside: string): readonly Hostile[] => [
  // where a path leads
  refuses('leads a file upward', () => archive(file(`${at('x')}/../../../../../../../../pwn`))),
  refuses('leads a file out of its root', () => archive(file('../pwn'))),
  refuses('names an absolute file', () => archive(file(`${outside}/pwn`))),
  refuses('names a drive', () => archive(file('C:evil'))),
  refuses('names a path with backslashes', () => archive(file(at('..\\..\\pwn')))),
  refuses('hides the rest of a name behind a zero byte', () =>
    archive(file(`${at('ok')}\0../../pwn`)),
  ),
  refuses('hides a zero byte in an extended header', () =>
    archive(extended(record('path', `${at('ok')}\0/../../pwn`)), file('short')),
  ),
  refuses('says in an extended header that a file is elsewhere', () =>
    archive(extended(record('path', `${outside}/pwn`)), file(at('short'))),
  ),
  refuses('has an empty part in a path', () => archive(file(at('a//b')))),
  refuses('commands the terminal with a name', () => archive(file(at('a\n\x1b[31mx')))),
  refuses('turns a name around', () =>
    archive(file(Buffer.from(at('a\u202etxt.exe')).toString('latin1'))),
  ),
  refuses('has a name that is not UTF-8', () => archive(file(at('latin-\xe9')))),
  refuses('is 2000 directories deep', () =>
    archive(extended(record('path', at(`${'d/'.repeat(2000)}f`))), file('short')),
  ),
  refuses('has a name of 300 letters', () =>
    archive(extended(record('path', at('n'.repeat(300)))), file('short')),
  ),

  // links
  refuses('writes through an absolute link', () =>
    archive(link(at('l'), outside), file(at('l/pwn'))),
  ),
  refuses('writes through a relative link', () =>
    archive(link(at('l'), '../../../..'), file(at('l/pwn'))),
  ),
  refuses('has a link that leads out', () => archive(link(at('l'), '/etc/passwd'))),
  refuses('climbs out over a chain of links', () =>
    archive(
      directory(at('a/b/c/')),
      link(at('a/b/c/up'), '../..'),
      link(at('a/b/escape'), 'c/up/../../../..'),
    ),
  ),
  refuses('has links that lead around in a circle', () =>
    archive(link(at('one'), 'two'), link(at('two'), 'one')),
  ),
  refuses('replaces a directory by a link', () =>
    archive(directory(at('d/')), link(at('d'), outside), file(at('d/pwn'))),
  ),
  refuses('replaces a file by a link and writes to it', () =>
    archive(file(at('x'), '1'), link(at('x'), `${outside}/secret`), file(at('x'), 'OVERWRITE')),
  ),
  refuses('makes the state directory itself a link', () =>
    gzipSync(Buffer.concat([link(`${ROOT}/payload/posix${STATE}`, outside), manifest(), END])),
  ),
  refuses('has a hard link', () =>
    archive(header({ name: at('h'), type: '1', link: `${outside}/secret` })),
  ),

  // what is no file
  refuses('has a device', () => archive(header({ name: at('dev'), type: '3', device: [1, 3] }))),
  refuses('has a pipe', () => archive(header({ name: at('pipe'), type: '6' }))),
  refuses('has a sparse file', () =>
    archive(extended(record('GNU.sparse.realsize', '99999999999')), file(at('sparse'))),
  ),
  refuses('has a name in the GNU format', () =>
    archive(file('././@LongLink', 'x'.repeat(120), { type: 'L' })),
  ),
  refuses('speaks of all entries at once', () =>
    archive(file('g', record('path', 'x'), { type: 'g' })),
  ),

  // two readings of one thing
  refuses('has a path twice', () => archive(file(at('x'), '1'), file(at('x'), '2'))),
  refuses('has two names that differ in case', () =>
    archive(file(at('Config'), '1'), file(at('config'), '2')),
  ),
  refuses('has two names that differ in composition', () =>
    archive(
      file(Buffer.from(at('\u00e9')).toString('latin1')),
      file(Buffer.from(at('e\u0301')).toString('latin1')),
    ),
  ),
  refuses('has two names that differ in a sharp s', () =>
    archive(file(Buffer.from(at('stra\u00dfe')).toString('latin1')), file(at('strasse'))),
  ),
  refuses('has a file that is a directory too', () => archive(file(at('a')), file(at('a/b')))),
  refuses('has a negative size', () =>
    archive(header({ name: at('n'), sizeField: Buffer.alloc(12, 0xff) })),
  ),
  refuses('has two sizes for one file', () =>
    archive(extended(record('size', '1024')), file(at('two'), 'x'.repeat(512))),
  ),
  refuses('has two extended headers for one entry', () =>
    archive(extended(record('path', at('one'))), extended(record('path', at('two'))), file('s')),
  ),
  refuses('has a header with a wrong sum', () => archive(header({ name: at('s'), checksum: 1 }))),
  refuses('has something hidden between entries', () => {
    const bytes = file(at('p'), 'x')
    bytes.write('hidden', 600)
    return archive(bytes)
  }),
  refuses('has another archive behind its end', () =>
    gzipSync(Buffer.concat([honest(), manifest(), END, file('../pwn'), END])),
  ),
  breaks('has something behind the compressed part', () =>
    Buffer.concat([archive(), Buffer.from('trailing')]),
  ),
  refuses('has a second compressed part', () =>
    Buffer.concat([archive(), gzipSync(Buffer.concat([file('../pwn'), END]))]),
  ),
  refuses('has content in a directory', () =>
    archive(header({ name: at('d/'), type: '5', size: 512 }), Buffer.alloc(512, 1)),
  ),

  // what it says of itself
  refuses('has no manifest', () => gzipSync(Buffer.concat([honest(), END]))),
  refuses('has two manifests', () => archive(manifest())),
  refuses('has a manifest that is a link', () =>
    gzipSync(Buffer.concat([honest(), link(`${ROOT}/manifest.json`, '/etc/passwd'), END])),
  ),
  refuses('lists a path that leads upward', () =>
    gzipSync(
      Buffer.concat([
        honest(),
        manifest({
          assets: [
            {
              kind: 'state',
              sourcePath: '/home/../etc',
              archivePath: `${ROOT}/payload/posix/home/../etc`,
            },
          ],
        }),
        END,
      ]),
    ),
  ),
  refuses('has what its manifest does not list', () =>
    archive(file(`${ROOT}/payload/posix/etc/cron.d/pwn`)),
  ),
  refuses('has a manifest nested 100,000 deep', () =>
    gzipSync(Buffer.concat([honest(), file(`${ROOT}/manifest.json`, '['.repeat(100_000)), END])),
  ),

  // more than it seems
  exceeds('is a bomb of zeros', () => archive(file(at('zeros'), Buffer.alloc(48 * MIB)))),
  exceeds('says that a file has 8 GiB', () =>
    archive(header({ name: at('big'), sizeField: '77777777777\0' })),
  ),
  exceeds('has more than 200,000 entries', () => archive(many(200_001))),
  exceeds('has a manifest of 2 MiB', () =>
    gzipSync(Buffer.concat([honest(), file(`${ROOT}/manifest.json`, noise(2 * MIB)), END])),
  ),
  refuses('is compressed twice', () => gzipSync(archive())),
  refuses('is compressed with zstd', () =>
    zstdCompressSync(Buffer.concat([honest(), manifest(), END])),
  ),
  refuses('is compressed with brotli', () =>
    brotliCompressSync(Buffer.concat([honest(), manifest(), END])),
  ),

  // broken
  breaks('was cut in the middle', () => {
    const whole = archive(file(at('noise'), noise(MIB)))
    return whole.subarray(0, whole.length >> 1)
  }),
  refuses('ends within a file', () =>
    gzipSync(Buffer.concat([honest(), header({ name: at('x'), size: 9999 })])),
  ),
]

const digits = (n: number) => n.toString(36).padStart(6, '0')
const sumOf = (text: string) => Buffer.from(text).reduce((sum, byte) => sum + byte, 0)

/** Empty files. Only a name and the sum differ, so the headers are not made one by one. */
function many(count: number): Buffer {
  const first = at(`many/${digits(0)}`)
  const template = header({ name: first })
  const base = Number.parseInt(template.toString('latin1', 148, 154), 8) - sumOf(digits(0))
  const from = first.length - 6
  const all = Buffer.alloc(512 * count)
  for (let n = 0; n < count; n++) {
    template.copy(all, 512 * n)
    all.write(digits(n), 512 * n + from)
    all.write((base + sumOf(digits(n))).toString(8).padStart(6, '0'), 512 * n + 148)
  }
  return all
}

function noise(bytes: number): Buffer {
  let x = 88_172_645
  return Buffer.from(
    Uint8Array.from({ length: bytes }, () => {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      return x & 0xff
    }),
  )
}
