/**
 * `npm run release -- --dry-run`: all that a release consists of, in dist/release: the programs, their packages, what is
 * in them (CycloneDX), under which licences, and the checksums of it all. It publishes nothing.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bomOf } from './release/bom.ts'
import { bundledPackages } from './release/bundled.ts'
import { noticeOf, refusedOf } from './release/licences.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const dist = `${root}dist`
const out = `${dist}/release`

if (!process.argv.includes('--dry-run')) {
  console.error(
    'Nothing is published from here. See what a release is with: npm run release -- --dry-run',
  )
  process.exit(2)
}

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout.trim()
}

const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { version: string }
const changed = run('git', 'status', '--porcelain')
if (changed !== '') console.log(`Not committed yet:\n${changed}\n`)
// The same sources give the same bytes whenever they are built.
const at = new Date(Number(run('git', 'log', '-1', '--format=%ct')) * 1000).toISOString()

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
console.log(run(process.execPath, `${root}scripts/build.ts`, '--force'))
for (const name of ['ocm-hub.mjs', 'ocm-agent.mjs', 'ocm.mjs']) {
  await cp(`${dist}/${name}`, `${out}/${name}`)
}

const packages = await bundledPackages(root)
const refused = refusedOf(packages)
if (refused.length > 0) {
  console.error(
    `Licences that may not be shipped, or that nobody has judged:\n  ${refused.join('\n  ')}`,
  )
  process.exit(1)
}
await writeFile(`${out}/THIRD-PARTY-LICENCES.txt`, noticeOf(packages))
await writeFile(`${out}/ocm-${version}.cdx.json`, bomOf(root, packages, at))
const byLicence = Map.groupBy(packages, ({ licence }) => licence)
console.log(`${packages.length} packages of others are in it:`)
for (const [licence, all] of [...byLicence].toSorted((a, b) => b[1].length - a[1].length)) {
  console.log(`  ${licence.padEnd(14)} ${all.length}`)
}

const packaging = `${root}scripts/packages.ts`
if (existsSync(packaging)) console.log(run(process.execPath, packaging, '--out', out))
else console.log('No packages: scripts/packages.ts is not there.')

const names = (await readdir(out, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice(out.length + 1))
  .toSorted()
const sums = await Promise.all(
  names.map(async (name) => {
    const bytes = await readFile(`${out}/${name}`)
    return { name, bytes: bytes.length, sum: createHash('sha256').update(bytes).digest('hex') }
  }),
)
await writeFile(`${out}/SHA256SUMS`, sums.map(({ name, sum }) => `${sum}  ${name}\n`).join(''))
console.log(`\nOCM ${version} of ${at}, in dist/release:`)
for (const { name, bytes, sum } of sums) {
  console.log(`  ${sum.slice(0, 16)}…  ${String(Math.ceil(bytes / 1000)).padStart(7)} kB  ${name}`)
}
console.log('\nA dry run: nothing was published.')
