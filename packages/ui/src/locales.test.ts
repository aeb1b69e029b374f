// @vitest-environment node
/** Every text that a page asks for is there, and none is there for nobody. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import i18n from '@intlify/unplugin-vue-i18n/vite'
import vue from '@vitejs/plugin-vue'
import { build } from 'vite'
import { expect, test, vi } from 'vitest'
import en from './locales/en.json'

type Tree = { readonly [key: string]: string | Tree }

const keysOf = (tree: Tree, under = ''): readonly string[] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [under + key] : keysOf(value, `${under}${key}.`),
  )

const here = new URL('.', import.meta.url)
const sources = readdirSync(here, { recursive: true })
  .map(String)
  .filter((path) => /\.(vue|ts)$/.test(path) && !path.endsWith('.test.ts'))
  .map((path) => readFileSync(new URL(path, here), 'utf8'))
  .join('\n')

const keys = keysOf(en)
// A key is spelt whole, or its beginning is and a name follows: `job.state.${state}`.
const spelt = new Set(
  [...sources.matchAll(/['"`]([a-z]\w*(?:\.[\w-]+)+)['"`]/gi)].map(([, key]) => key),
)
const begun = [...sources.matchAll(/`([a-z]\w*\.(?:[\w-]+\.)*)\$\{/gi)].map(
  ([, start]) => start ?? '',
)
// Of waypoints the state follows: key="addNode.joined" + state.
const ends = /\.(pending|running|done|failed)$/

test('every text is used', () => {
  const unused = keys.filter(
    (key) =>
      !spelt.has(key) &&
      !spelt.has(key.replace(ends, '')) &&
      !begun.some((start) => key.startsWith(start)),
  )
  expect(unused).toEqual([])
})

test('every text that is asked for is there', () => {
  const asked = [...sources.matchAll(/\bt\(\s*['"]([a-z]\w*(?:\.[\w-]+)+)['"]/gi)].map(
    ([, key]) => key ?? '',
  )
  expect(asked.length).toBeGreaterThan(100)
  expect(asked.filter((key) => !keys.includes(key))).toEqual([])
  expect(begun.filter((start) => !keys.some((key) => key.startsWith(start)))).toEqual([])
})

/** As the dashboard's own build does it; fails at a text that says @, { or | and means itself. */
const compiled = (folder: string) =>
  build({
    configFile: false,
    logLevel: 'silent',
    plugins: [vue(), i18n({ include: `${folder}/**`, strictMessage: true })],
    build: {
      write: false,
      lib: { entry: readdirSync(folder).map((file) => `${folder}/${file}`), formats: ['es'] },
    },
  })

test('every text compiles', async () => {
  await expect(compiled(fileURLToPath(new URL('locales', here)))).resolves.toHaveLength(1)
})

test.each([
  ['user@host', 'Invalid linked format'],
  ['an {open brace', 'Unterminated closing brace'],
])('%s would not', async (text, why) => {
  const said = vi.spyOn(console, 'error').mockReturnValue()
  const folder = mkdtempSync(join(tmpdir(), 'ocm-locales-'))
  try {
    writeFileSync(join(folder, 'en.json'), JSON.stringify({ text }))
    await expect(compiled(folder)).rejects.toThrow(why)
    expect(said).toHaveBeenCalled()
  } finally {
    said.mockRestore()
    rmSync(folder, { recursive: true })
  }
})
