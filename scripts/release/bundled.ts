/** Which packages of others are in what is shipped: asked of the bundlers, not guessed from what is installed. */
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'

export interface Bundled {
  readonly name: string
  readonly version: string
  /** As its package.json says it; '' where it does not. */
  readonly licence: string
  /** The files in which it grants it, whole. */
  readonly texts: readonly string[]
  /** Which of what is shipped holds it. */
  readonly shipped: readonly string[]
}

interface Shipped {
  readonly name: string
  readonly modules: readonly string[]
}

/** Sorted by name and version. */
export async function bundledPackages(root: string): Promise<readonly Bundled[]> {
  const shipped: readonly Shipped[] = [
    await programs(root, 'ocm-hub', 'hub'),
    await programs(root, 'ocm-agent', 'agent'),
    await programs(root, 'ocm', 'operator'),
    { name: 'dashboard', modules: await dashboard(root) },
    { name: 'api-docs', modules: [join(root, 'packages/hub/node_modules/@fastify/swagger-ui/x')] },
  ]
  const found = new Map<string, Bundled>()
  for (const { name: whole, modules } of shipped) {
    for (const folder of new Set(modules.flatMap(folderOf))) {
      const { name, version, license } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      ) as { name: string; version: string; license?: string }
      const key = `${name}@${version}`
      const before = found.get(key)?.shipped ?? []
      found.set(key, {
        name,
        version,
        licence: license ?? '',
        texts: textsIn(folder),
        shipped: before.includes(whole) ? before : [...before, whole],
      })
    }
  }
  found.set('node', nodeItself(root))
  const key = ({ name, version }: Bundled) => `${name}@${version}`
  return [...found.values()].toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Debian's packages bring their own. Its licence holds those of all that is in it. */
function nodeItself(root: string): Bundled {
  const folder = `${root}node_modules/node`
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Bundled
  const texts = globSync(`${folder}/node_modules/node-*/LICENSE`).map((path) =>
    readFileSync(path, 'utf8').trim(),
  )
  return { name: 'node', version, licence: 'MIT', texts, shipped: ['Debian packages'] }
}

async function programs(root: string, name: string, folder: string): Promise<Shipped> {
  const sources = `${root}packages/${folder}/src`
  // Threads are programs of their own inside of the program.
  const input = [`${sources}/main.ts`, ...globSync(`${sources}/**/thread.ts`)]
  const bundle = await rolldown({
    input,
    platform: 'node',
    logLevel: 'silent',
    // Made at build time out of the threads that are listed above.
    plugins: [{ name: 'no-threads', load: (id) => (id.endsWith('/embedded.ts') ? EMPTY : null) }],
  })
  const { output } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  return { name, modules: output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : [])) }
}

const EMPTY = "export const threadProgram = ''"

async function dashboard(root: string): Promise<readonly string[]> {
  const { build } = await import('vite')
  const modules: string[] = []
  await build({
    root: `${root}packages/ui`,
    logLevel: 'silent',
    build: { write: false },
    plugins: [
      {
        name: 'who-is-in-it',
        generateBundle(_options, bundle) {
          for (const file of Object.values(bundle)) {
            if (file.type === 'chunk') modules.push(...file.moduleIds)
          }
        },
      },
    ],
  })
  // Icons and styles come by other ways than modules.
  const others = ['@iconify-json/lucide', 'tailwindcss', '@nuxt/ui']
  return [...modules, ...others.map((name) => `${root}packages/ui/node_modules/${name}/x`)]
}

/** The package that a module belongs to; none for our own sources. */
function folderOf(module: string): readonly string[] {
  const path = module.replace(/^\0+/, '').replace(/\?.*$/, '')
  if (!path.includes('/node_modules/')) return []
  for (let folder = dirname(path); folder.includes('/node_modules/'); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    // Some have a nameless one deeper inside, which only says what kind of modules there are.
    if (existsSync(manifest) && 'version' in JSON.parse(readFileSync(manifest, 'utf8'))) {
      return [folder]
    }
  }
  return []
}

const textsIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim())
