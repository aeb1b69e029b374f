/** What `npx ocm-hub` gets: the program and what lies beside it, and nothing to install. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Program } from './programs.ts'

export interface NpmWish {
  readonly root: string
  readonly dist: string
  readonly out: string
  readonly program: Program
}

/** @returns the path of the package. @throws Error when npm fails */
export function makeNpmPackage({ root, dist, out, program }: NpmWish): string {
  const { version, license, author } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    version: string
    license: string
    author: string
  }
  const notices = [`${out}/THIRD-PARTY-LICENCES.txt`].filter((path) => existsSync(path))
  const folder = mkdtempSync(join(tmpdir(), 'ocm-npm-'))
  try {
    for (const file of program.files) {
      cpSync(join(dist, file), join(folder, file), { recursive: true })
    }
    cpSync(`${root}LICENSE`, join(folder, 'LICENSE'))
    for (const path of notices) cpSync(path, join(folder, 'THIRD-PARTY-LICENCES.txt'))
    writeFileSync(
      join(folder, 'README.md'),
      `# ${program.name}\n\n${program.about.join('\n')}\n\n\`npx ${program.name} --help\` (Node 24.16 or newer)\n`,
    )
    const manifest = {
      name: program.name,
      version,
      description: program.summary,
      license,
      author,
      type: 'module',
      bin: { [program.name]: `${program.name}.mjs` },
      engines: { node: '>=24.16' },
    }
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', out]
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`npm pack failed:\n${stderr}`)
    const [packed] = JSON.parse(stdout) as [{ filename: string }]
    return join(out, packed.filename)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
