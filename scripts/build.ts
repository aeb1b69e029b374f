/**
 * Builds what changed since the last build into dist/: three programs of one file each, the dashboard, and the
 * static files of the API's pages. `--force` builds all of it, `--only NAME` what is named,
 * `--out DIR` elsewhere, `--readable` with names and lines for
 * who profiles it.
 */
import { createHash } from 'node:crypto'
import { copyFile, cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleProgram, releaseWords } from './bundling.ts'

interface Target {
  readonly name: string
  readonly sources: readonly string[]
  readonly build: () => Promise<void>
}

const root = fileURLToPath(new URL('../', import.meta.url))
const { values } = parseArgs({
  options: {
    force: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    out: { type: 'string', default: `${root}dist` },
    readable: { type: 'boolean', default: false },
  },
})
const dist = resolve(values.out)
const isReadable = values.readable
const everywhere = [
  'pnpm-lock.yaml',
  'scripts/{build,bundling}.ts',
  'packages/protocol/{src/**,package.json}',
]

const targets: readonly Target[] = [
  program('hub', 'ocm-hub'),
  program('agent', 'ocm-agent'),
  program('operator', 'ocm'),
  {
    name: 'ui',
    sources: [
      'packages/operator/{src/**,package.json}',
      'packages/ui/{src/**,public/**,index.html,vite.config.ts,package.json}',
    ],
    build: async () => {
      const { build } = await import('vite')
      await build({
        root: `${root}packages/ui`,
        logLevel: 'warn',
        build: { outDir: `${dist}/ui`, emptyOutDir: true },
      })
    },
  },
  {
    name: 'api-docs',
    sources: [],
    // Swagger's pages are files that a bundle cannot hold; the hub hands this folder to it as `baseDir`.
    build: () =>
      cp(`${root}packages/hub/node_modules/@fastify/swagger-ui/static`, `${dist}/api-docs`, {
        recursive: true,
        dereference: true,
        // The pages load the bundle; this one is for who bundles by himself.
        filter: (path) => basename(path) !== 'swagger-ui.js',
      }),
  },
  {
    name: 'installer',
    sources: ['deploy/install-agent.sh'],
    // The hub serves it, and looks for it beside itself.
    build: () => copyFile(`${root}deploy/install-agent.sh`, `${dist}/install-agent.sh`),
  },
]

function program(folder: string, name: string): Target {
  return {
    name,
    sources: [`packages/${folder}/{src/**,package.json}`],
    build: () =>
      bundleProgram(`${root}packages/${folder}/src/main.ts`, `${dist}/${name}.mjs`, isReadable),
  }
}

async function fingerprint(target: Target): Promise<string> {
  const paths: string[] = []
  for await (const entry of glob([...everywhere, ...target.sources], {
    cwd: root,
    withFileTypes: true,
  })) {
    if (entry.isFile() && !/\.(test|contract)\.ts$/.test(entry.name)) {
      paths.push(`${entry.parentPath}/${entry.name}`)
    }
  }
  const hash = createHash('sha256')
    .update(String(isReadable))
    .update(JSON.stringify(releaseWords(process.env)))
  for (const path of paths.toSorted()) {
    hash
      .update(path.slice(root.length))
      .update('\0')
      .update(await readFile(path))
  }
  return hash.digest('hex')
}

await mkdir(dist, { recursive: true })
for (const target of targets) {
  if (values.only?.includes(target.name) === false) continue
  const stamp = `${dist}/.${target.name}`
  const wanted = await fingerprint(target)
  const built = await readFile(stamp, 'utf8').catch(() => undefined)
  if (built === wanted && !values.force) continue
  const began = performance.now()
  await rm(stamp, { force: true })
  await target.build()
  await writeFile(stamp, wanted)
  console.log(`built ${target.name} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}
