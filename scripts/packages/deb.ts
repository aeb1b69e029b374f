/** A Debian package: a program, the Node that runs it, its units, its manual page. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { changelogText, controlText, copyrightText } from './debian-texts.ts'
import type { NodeRuntime } from './node-runtime.ts'
import type { Architecture, Program } from './programs.ts'

export interface DebWish {
  readonly root: string
  readonly dist: string
  readonly out: string
  readonly program: Program
  readonly arch: Architecture
  readonly node: NodeRuntime
  /** Seconds since 1970; the time of every file in it. */
  readonly at: number
  /** Of xz. */
  readonly level: string
}

/** @returns the path of the package. @throws Error when dpkg-deb fails */
export function makeDeb(wish: DebWish): string {
  const { root, out, program, arch } = wish
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }
  const tree = mkdtempSync(join(tmpdir(), 'ocm-deb-'))
  const file = join(out, `${program.name}_${version}_${arch}.deb`)
  try {
    fill(tree, wish, version)
    describe(tree, wish, version)
    settleModes(tree, wish.at)
    // One thread: with several xz cuts its input into blocks, and the bytes depend on how many there are.
    const args = [
      '--root-owner-group',
      '--threads-max=1',
      '-Zxz',
      `-z${wish.level}`,
      '-b',
      tree,
      file,
    ]
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(wish.at) }
    const { status, stderr } = spawnSync('dpkg-deb', args, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`dpkg-deb failed:\n${stderr}`)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
  return file
}

function fill(tree: string, { root, dist, out, program, node, at }: DebWish, version: string) {
  const { name, debian } = program
  if (debian === undefined) throw new Error(`${name} is no Debian package`)
  const place = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), content)
  }
  const lib = `usr/lib/${name}`
  place(`${lib}/node`, readFileSync(node.binary))
  for (const file of program.files) {
    cpSync(join(dist, file), join(tree, lib, file), { recursive: true })
  }
  place(
    `usr/bin/${name}`,
    `#!/bin/sh\nexec /${lib}/node --report-exclude-env /${lib}/${name}.mjs "$@"\n`,
  )
  for (const unit of debian.units.system) {
    place(`lib/systemd/system/${unit}`, readFileSync(`${root}deploy/${unit}`))
  }
  for (const unit of debian.units.user) {
    place(`usr/lib/systemd/user/${unit}`, readFileSync(`${root}deploy/${unit}`))
  }
  if (debian.defaults) {
    place(`etc/default/${name}`, readFileSync(`${root}deploy/debian/${name}.default`))
  }
  const page = `${root}deploy/man/${name}.1`
  place(`usr/share/man/man1/${name}.1.gz`, gzipSync(readFileSync(page), { level: 9 }))
  const overrides = `${root}deploy/debian/${name}.lintian-overrides`
  if (existsSync(overrides)) {
    place(`usr/share/lintian/overrides/${name}`, readFileSync(overrides))
  }
  const docs = `usr/share/doc/${name}`
  const notice = `${out}/THIRD-PARTY-LICENCES.txt`
  const notices = {
    'nodejs-notices.gz': node.licence,
    ...(existsSync(notice) && { 'third-party-notices.gz': readFileSync(notice, 'utf8') }),
  }
  const licence = readFileSync(`${root}LICENSE`, 'utf8')
  place(`${docs}/copyright`, copyrightText(licence, Object.keys(notices)))
  for (const [file, text] of Object.entries(notices)) {
    place(`${docs}/${file}`, gzipSync(text, { level: 9 }))
  }
  place(`${docs}/changelog.gz`, gzipSync(changelogText(name, version, at), { level: 9 }))
}

function describe(tree: string, { root, program, arch }: DebWish, version: string): void {
  const files = filesIn(tree)
  const bytes = files.reduce((sum, path) => sum + statSync(join(tree, path)).size, 0)
  const sums = files
    .filter((path) => !path.startsWith('etc/'))
    .map((path) => {
      const sum = createHash('md5')
        .update(readFileSync(join(tree, path)))
        .digest('hex')
      return `${sum}  ${path}\n`
    })
  const control = join(tree, 'DEBIAN')
  mkdirSync(control)
  const size = Math.ceil(bytes / 1024)
  writeFileSync(join(control, 'control'), controlText(program, version, arch, size))
  writeFileSync(join(control, 'md5sums'), sums.join(''))
  const configured = files.filter((path) => path.startsWith('etc/'))
  if (configured.length > 0) {
    writeFileSync(join(control, 'conffiles'), configured.map((path) => `/${path}\n`).join(''))
  }
  for (const script of ['postinst', 'prerm', 'postrm']) {
    const path = `${root}deploy/debian/${program.name}.${script}`
    if (existsSync(path)) cpSync(path, join(control, script))
  }
}

/** Sorted, relative to `tree`. */
const filesIn = (tree: string): readonly string[] =>
  readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1))
    .toSorted()

const RUNS = /^(?:usr\/bin\/[^/]+|usr\/lib\/[^/]+\/node|DEBIAN\/p(?:re|ost)(?:inst|rm))$/

/** Modes and times that no umask and no clock has a say in. */
function settleModes(tree: string, at: number): void {
  chmodSync(tree, 0o755)
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const runs = entry.isDirectory() || RUNS.test(path.slice(tree.length + 1))
    chmodSync(path, runs ? 0o755 : 0o644)
    lutimesSync(path, at, at)
  }
  lutimesSync(tree, at, at)
}
