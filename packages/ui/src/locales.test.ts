// @vitest-environment node
/** Every text that a page asks for is there, and none is there for nobody. */
import { readFileSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
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
