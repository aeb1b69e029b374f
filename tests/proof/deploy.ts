/**
 * From the packages alone: builds and packages them twice, has lintian look, installs npm's into an empty prefix and
 * Debian's into a clean root, starts hub and agent by their units' ExecStart, backs up a real OpenClaw home, uninstalls.
 * `npm run proof -- deploy [--home DIR] [--level 1-9]`, as root on Debian. `--home`: a populated home to copy instead of
 * making one; `--level`: of xz, 6 as it ships.
 */
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { canMakeRoots } from '../support/clean-root.ts'
import { fromTheDebs } from '../support/deploy/from-debs.ts'
import { throughProxy } from '../support/deploy/proxies.ts'
import { populatedHome } from '../support/openclaw-home.ts'
import { installTools } from '../support/deploy/tools.ts'

const { values } = parseArgs({
  options: { home: { type: 'string' }, level: { type: 'string', default: '6' } },
})
const root = fileURLToPath(new URL('../../', import.meta.url))
const ground = mkdtempSync(join(tmpdir(), 'ocm-deploy-'))
const count = { passed: 0, failed: 0, skipped: 0 }

async function part(what: string, does: () => unknown): Promise<void> {
  const [began, before] = [performance.now(), count.failed]
  try {
    await does()
    count.passed++
  } catch (error) {
    count.failed++
    console.log(error)
  }
  const isGood = before === count.failed
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${what}`)
}

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return `${stdout}${stderr}`
}

/** Sorted, relative. */
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()

/** @throws Error naming what differs */
function sameFiles(one: string, other: string): void {
  const [left, right] = [filesIn(one), filesIn(other)]
  const odd = [...left.filter((n) => !right.includes(n)), ...right.filter((n) => !left.includes(n))]
  const changed = left.filter(
    (name) =>
      right.includes(name) &&
      !readFileSync(join(one, name)).equals(readFileSync(join(other, name))),
  )
  if (odd.length + changed.length > 0) throw new Error(`differ: ${[...odd, ...changed].join(' ')}`)
}

const at = (name: string) => join(ground, name)
const build = (from: string, out: string) =>
  run(process.execPath, `${from}/scripts/build.ts`, '--out', out)

/** The sources once more, at another path. */
function elsewhere(): string {
  const copy = at('elsewhere')
  mkdirSync(copy)
  const names = [
    'packages',
    'scripts',
    'deploy',
    'package.json',
    'pnpm-lock.yaml',
    'tsconfig.base.json',
  ]
  for (const name of names) run('cp', '-a', join(root, name), copy)
  symlinkSync(`${root}node_modules`, join(copy, 'node_modules'))
  return copy
}

const pack = (out: string) =>
  run(
    process.execPath,
    'scripts/packages.ts',
    '--dist',
    at('dist'),
    '--out',
    out,
    '--level',
    values.level,
  )
const debs = () => filesIn(at('packages')).filter((name) => name.endsWith('.deb'))

try {
  await part('two builds, of sources at two places, give the same bytes', () => {
    build(root, at('dist'))
    build(elsewhere(), at('dist-again'))
    sameFiles(at('dist'), at('dist-again'))
  })
  await part('what npm has packed runs without a registry', () => {
    pack(at('packages'))
    for (const name of ['ocm-hub', 'ocm-agent', 'ocm']) {
      const file = filesIn(at('packages')).find((n) =>
        new RegExp(`^${name}-[\\d.]+\\.tgz$`).test(n),
      )
      run(
        'npm',
        'install',
        '--global',
        '--offline',
        '--prefix',
        at('prefix'),
        at(`packages/${file}`),
      )
      run(at(`prefix/bin/${name}`), '--help')
    }
  })
  for (const [name, debian] of [
    ['nginx', 'nginx-light'],
    ['caddy', 'caddy'],
  ] as const) {
    if (installTools([name], [debian])) {
      process.env['OCM_DIST'] = at('dist')
      await part(`an operator and an agent pass through ${name} as it is configured here`, () =>
        throughProxy(name, ground),
      )
    } else count.skipped++
  }
  if (canMakeRoots() && installTools(['lintian', 'debootstrap']) && debs().length > 0) {
    await part('packaged twice, the same bytes', () => {
      pack(at('packages-again'))
      sameFiles(at('packages'), at('packages-again'))
    })
    await part('each .deb is 35 MB at the most', () => {
      for (const name of debs()) {
        const megabytes = statSync(at(`packages/${name}`)).size / 1e6
        console.log(`  ${name}: ${megabytes.toFixed(1)} MB`)
        if (megabytes > 35) throw new Error(`${name} is too large`)
      }
    })
    await part('lintian has nothing to say', () => {
      const files = debs().map((name) => at(`packages/${name}`))
      const words = run('lintian', '--allow-root', '--fail-on', 'error,warning', ...files)
      if (words.trim() !== '') throw new Error(words)
    })
    await part('in a clean root: installed, enrolled, backed up, gone again', async () =>
      fromTheDebs({
        ground,
        packages: debs().map((name) => at(`packages/${name}`)),
        dist: at('dist'),
        home: values.home ?? (await populatedHome()),
      }),
    )
  } else {
    count.skipped += 4
    console.log('skipped: the Debian packages want root on Debian, debootstrap and lintian')
  }
} finally {
  rmSync(ground, { recursive: true, force: true })
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed === 0 ? 0 : 1
