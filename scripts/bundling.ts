/** A program of ours and all that it imports as one ESM file. The same sources give the same bytes, wherever they lie. */
import { globSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type OutputOptions, type Plugin, rolldown } from 'rolldown'

/**
 * @param input `main.ts` of a package
 * @param isReadable keeps names and lines, for the eyes of who profiles it
 */
export async function bundleProgram(
  input: string,
  file: string,
  isReadable: boolean,
): Promise<void> {
  const output: OutputOptions = { codeSplitting: false, minify: !isReadable }
  const plugins = [embeddedThreads(dirname(input), output)]
  const transform = { define: releaseWords(process.env) }
  const bundle = await rolldown({ input, platform: 'node', logLevel: 'warn', plugins, transform })
  const made = await bundle.generate({ ...output, format: 'esm', banner: BEGINNING })
  await bundle.close()
  await writeFile(file, asciiOnly(loadedOnDemand(made.output[0].code)))
}

/** The Node that OpenClaw itself asks for. On an older one people read why, and not what an import lacks. */
const BEGINNING = `#!/usr/bin/env node
{
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 24 || (major === 24 && minor < 16)) {
    console.error('OCM needs Node 24.16 or newer; this is ' + process.versions.node + '.')
    console.error('Start it with the Node that OpenClaw runs on.')
    process.exit(1)
  }
}`

/** What an older Node lacks would end the program before its first line, were it imported by name. */
const loadedOnDemand = (code: string): string =>
  code.replaceAll(
    /import\s*\{([^}]*)\}\s*from\s*"(node:(?:sqlite|zlib))"/g,
    (_whole, names: string, module: string) =>
      `const {${names.replaceAll(' as ', ': ')}} = process.getBuiltinModule("${module}")`,
  )

/**
 * What an agent has to know to take updates (agent/update/baked.ts): the public half of the release key, and which release
 * it is itself. Without them it takes none.
 */
export function releaseWords(env: NodeJS.ProcessEnv): Record<string, string> {
  const key = env['OCM_RELEASE_KEY']
  const serial = env['OCM_RELEASE_SERIAL']
  if (key === undefined && serial === undefined) return {}
  if (!/^[\w-]{43}$/.test(key ?? '') || !/^[1-9]\d{0,14}$/.test(serial ?? '')) {
    throw new Error('OCM_RELEASE_KEY (43 letters) and OCM_RELEASE_SERIAL (a number) go together')
  }
  return {
    OCM_RELEASE_KEY: JSON.stringify(key),
    OCM_RELEASE_SERIAL: JSON.stringify(bakedSerial(Number(serial))),
  }
}

/** As it stands in a program, whatever else was made shorter there. */
export const bakedSerial = (serial: number): string => `release-serial:${serial};`

const TEXT = '\0threads'
/** Runs as a process of its own and has little in common with the others. */
const isAlone = (folder: string) => basename(folder) === 'warden'

/**
 * A program of one file has none to start a thread from: `embedded.ts` beside a `thread.ts` becomes the text of it. The
 * threads of one program stand on the same modules, so they are one text, with a word before it that says which to be.
 */
function embeddedThreads(sources: string, output: OutputOptions): Plugin {
  const together = globSync('**/embedded.ts', { cwd: sources })
    .map((path) => `${sources}/${dirname(path)}`)
    .filter((folder) => !isAlone(folder))
    .toSorted()
  return {
    name: 'embedded-threads',
    resolveId: (id) => (id === TEXT ? TEXT : undefined),
    async load(id) {
      // A list, because the minifier would copy a string to where it is used.
      if (id === TEXT) return `export const text = ['', ${await threadText(together, output)}]`
      if (!id.endsWith('/embedded.ts')) return
      const folder = dirname(id)
      if (isAlone(folder)) {
        return `export const threadProgram = 'var ocmThread=0;' + ${await threadText([folder], output)}`
      }
      const which = JSON.stringify(`var ocmThread=${together.indexOf(folder)};`)
      return `import { text } from ${JSON.stringify(TEXT)}\nexport const threadProgram = text.join(${which})`
    },
  }
}

/**
 * @returns source of a string: a script that runs the one of these threads that `ocmThread` counts. What they have in
 *   common is a chunk; a script has no files to require, so its chunks are functions in a list.
 */
async function threadText(folders: readonly string[], output: OutputOptions): Promise<string> {
  const input = Object.fromEntries(folders.map((folder, i) => [`${i}`, `${folder}/thread.ts`]))
  const bundle = await rolldown({ input, platform: 'node', logLevel: 'warn' })
  const made = await bundle.generate({
    ...output,
    codeSplitting: true,
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: 'common-[hash].js',
  })
  await bundle.close()
  const chunks = made.output
    .filter((file) => file.type === 'chunk')
    .map(({ fileName, code }) => `${JSON.stringify(`./${fileName}`)}(exports,require){${code}\n}`)
  return JSON.stringify(
    asciiOnly(`(function(){const chunks={${chunks.join(',')}},loaded={}
function load(name){if(!(name in chunks))return require(name)
if(!(name in loaded))chunks[name](loaded[name]={},load)
return loaded[name]}
load('./'+ocmThread+'.js')})()`),
  )
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
