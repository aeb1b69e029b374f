/**
 * The packages of a release out of dist/: npm's (ocm-hub, ocm-agent, ocm) and Debian's (ocm-hub, ocm-agent) with a Node
 * of their own. The same programs give the same bytes.
 *
 * `node scripts/packages.ts [--out DIR] [--dist DIR] [--only npm|deb] [--arch amd64|arm64] [--level 1-9]`; `--arch` may
 * be repeated. Another architecture than this machine's asks the npm registry for its Node. `dpkg-deb` has to be there.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeDeb } from './packages/deb.ts'
import { nodeFor } from './packages/node-runtime.ts'
import { makeNpmPackage } from './packages/npm.ts'
import { ARCHITECTURES, PROGRAMS, isArchitecture, thisArchitecture } from './packages/programs.ts'
import { sourceDate } from './packages/source-date.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: `${root}dist/packages` },
    dist: { type: 'string', default: `${root}dist` },
    only: { type: 'string' },
    arch: { type: 'string', multiple: true, default: [thisArchitecture()] },
    level: { type: 'string', default: '6' },
  },
})
const out = resolve(values.out)
const dist = resolve(values.dist)
const wrong = values.arch.find((arch) => !isArchitecture(arch))
if (wrong !== undefined) {
  console.error(`There is no architecture ${wrong}. There are: ${ARCHITECTURES.join(' ')}`)
  process.exit(2)
}

mkdirSync(out, { recursive: true })
const at = sourceDate(root)
if (values.only !== 'deb') {
  for (const program of PROGRAMS) console.log(makeNpmPackage({ root, dist, out, program }))
}
if (values.only !== 'npm') {
  if (spawnSync('dpkg-deb', ['--version']).status === 0) {
    for (const arch of values.arch.filter(isArchitecture)) {
      const node = nodeFor(root, arch, `${dist}/.node`)
      for (const program of PROGRAMS.filter(({ debian }) => debian !== undefined)) {
        console.log(makeDeb({ root, dist, out, program, arch, node, at, level: values.level }))
      }
    }
  } else console.log('No Debian packages: dpkg-deb is not there.')
}
