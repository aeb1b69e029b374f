/** What a release says about what is in it. The whole of it takes minutes: npm run release -- --dry-run. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bomOf } from '../scripts/release/bom.ts'
import type { Bundled } from '../scripts/release/bundled.ts'
import { isAllowed, noticeOf, refusedOf } from '../scripts/release/licences.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const TYPEBOX: Bundled = {
  name: 'typebox',
  version: '',
  licence: 'MIT',
  texts: ['Permission is granted'],
  shipped: ['ocm'],
}

test.each([
  ['MIT', true],
  ['(MIT OR GPL-3.0)', true],
  ['MIT AND Apache-2.0', true],
  ['MIT AND GPL-3.0', false],
  ['GPL-3.0', false],
  ['SEE LICENSE IN LICENSE.md', false],
  ['', false],
])('the licence “%s” may be shipped: %s', (licence, expected) => {
  expect(isAllowed(licence)).toBe(expected)
})

test('names what may not be shipped, and gives the texts of the rest', () => {
  const unnamed = { ...TYPEBOX, name: 'odd', version: '1.0.0', licence: '' }
  expect(refusedOf([TYPEBOX, unnamed])).toEqual(['odd 1.0.0: no licence named'])
  expect(noticeOf([TYPEBOX])).toContain('Permission is granted')
})

test('the list of contents is cut down to what is shipped, and is the same twice', () => {
  const { version } = JSON.parse(
    readFileSync(`${root}packages/protocol/node_modules/typebox/package.json`, 'utf8'),
  ) as { version: string }
  const typebox = { ...TYPEBOX, version }
  const at = '2026-01-01T00:00:00.000Z'
  const text = bomOf(root, [typebox], at)
  const listed = JSON.parse(text) as { components: unknown[]; dependencies: unknown[] }
  expect(listed).toMatchObject({
    bomFormat: 'CycloneDX',
    metadata: { timestamp: at },
    components: [
      {
        purl: `pkg:npm/typebox@${version}`,
        properties: [{ name: 'ocm:shipped-in', value: 'ocm' }],
      },
    ],
  })
  expect(listed.components).toHaveLength(1)
  expect(listed).not.toHaveProperty('serialNumber')
  expect(bomOf(root, [typebox], at)).toBe(text)
  expect(() => bomOf(root, [{ ...TYPEBOX, version: '0.0.0-not-there' }], at)).toThrow(/not-there/)
})

test('publishes nothing, and says so to whoever asks for it', () => {
  const { status, stderr } = spawnSync(process.execPath, [`${root}scripts/release.ts`], {
    encoding: 'utf8',
  })
  expect(status).toBe(2)
  expect(stderr).toContain('--dry-run')
})
