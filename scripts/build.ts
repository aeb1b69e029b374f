/**
 * Builds what changed since the last build into dist/: three programs of one file each, the dashboard, and the
 * static files of the API's pages. `--force` builds all of it.
 */
import { createHash } from 'node:crypto'
import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'

interface Target {
  readonly name: string
  readonly sources: readonly string[]
  readonly build: () => Promise<void>
}

const root = fileURLToPath(new URL('../', import.meta.url))
const dist = `${root}dist`
const everywhere = ['pnpm-lock.yaml', 'scripts/build.ts', 'packages/protocol/{src/**,package.json}']

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
      await build({ root: `${root}packages/ui`, logLevel: 'warn' })
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
      }),
  },
]

function program(folder: string, name: string): Target {
  return {
    name,
    sources: [`packages/${folder}/{src/**,package.json}`],
    build: async () => {
      const bundle = await rolldown({
        input: `${root}packages/${folder}/src/main.ts`,
        platform: 'node',
        logLevel: 'warn',
        plugins: [embeddedThreads],
      })
      const { output } = await bundle.generate({
        format: 'esm',
        codeSplitting: false,
        banner: '#!/usr/bin/env node',
      })
      await writeFile(`${dist}/${name}.mjs`, asciiOnly(output[0].code))
      await bundle.close()
    },
  }
}

/** A program of one file has none to start a thread from: `embedded.ts` beside a `thread.ts` becomes the text of it. */
const embeddedThreads: Plugin = {
  name: 'embedded-threads',
  async load(id) {
    if (!id.endsWith('/embedded.ts')) return
    const input = id.replace(/embedded\.ts$/, 'thread.ts')
    const bundle = await rolldown({ input, platform: 'node', logLevel: 'warn' })
    const { output } = await bundle.generate({ format: 'cjs', codeSplitting: false })
    await bundle.close()
    // Run as a script its own names would be global ones, which are taken in part.
    const source = `(function () {${asciiOnly(output[0].code)}})()`
    return `export const threadProgram = ${JSON.stringify(source)}`
  },
}

/**
 * One letter beyond Latin-1 makes V8 keep the whole source at two bytes a letter, which an agent that idles on every
 * node pays for. What is escaped stands in strings, templates and comments, where an escape means the same.
 */
const asciiOnly = (code: string): string =>
  code.replaceAll(
    /[^\0-\x7f]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

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
  for (const path of paths.toSorted()) {
    hash
      .update(path.slice(root.length))
      .update('\0')
      .update(await readFile(path))
  }
  return hash.digest('hex')
}

await mkdir(dist, { recursive: true })
const force = process.argv.includes('--force')
for (const target of targets) {
  const stamp = `${dist}/.${target.name}`
  const wanted = await fingerprint(target)
  const built = await readFile(stamp, 'utf8').catch(() => undefined)
  if (built === wanted && !force) continue
  const began = performance.now()
  await rm(stamp, { force: true })
  await target.build()
  await writeFile(stamp, wanted)
  console.log(`built ${target.name} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}
