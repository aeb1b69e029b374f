// Installs what the lockfile says, or nothing when it was installed already. The only script that has to run on the
// developer's own Node (20 or newer) with nothing installed: it brings the Node that runs all others.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const stamp = new URL('node_modules/.ocm-setup', root)
const manifests = [
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'package.json',
  'tests/package.json',
  ...readdirSync(new URL('packages/', root))
    .map((name) => `packages/${name}/package.json`)
    .filter((path) => existsSync(new URL(path, root))),
]

const hash = createHash('sha256')
for (const path of manifests) hash.update(path).update(readFileSync(new URL(path, root)))
const wanted = hash.digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.log('Installing dependencies…')
  const pnpm = ['--yes', 'pnpm@12.21.0', 'install', '--frozen-lockfile', '--prefer-offline']
  const { status, stdout, stderr } = spawnSync('npx', pnpm, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`)
    console.error(
      'Dependencies could not be installed. After a change to a package.json, run: npx pnpm@12.21.0 install',
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}
