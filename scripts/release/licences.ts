/** Whether everything that is shipped may be, and the notice that goes with it. */
import type { Bundled } from './bundled.ts'

/** What may be shipped in a work under the MIT licence with nothing more than its notice. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
]

/** Every part of an "and" has to be allowed, one part of an "or". */
export function isAllowed(expression: string): boolean {
  const plain = expression.replaceAll(/[()]/g, '').trim()
  return plain
    .split(/ AND /i)
    .every((part) => part.split(/ OR /i).some((one) => ALLOWED.includes(one.trim())))
}

export const refusedOf = (packages: readonly Bundled[]): readonly string[] =>
  packages
    .filter(({ licence }) => !isAllowed(licence))
    .map(({ name, version, licence }) => `${name} ${version}: ${licence || 'no licence named'}`)

export function noticeOf(packages: readonly Bundled[]): string {
  const entries = packages.map(
    ({ name, version, licence, shipped, texts }) =>
      `${name} ${version}\nLicence: ${licence}. In: ${shipped.join(', ')}.\n\n` +
      (texts.length === 0 ? `(The package holds no text of its licence.)` : texts.join('\n\n')),
  )
  const rule = `\n\n${'-'.repeat(80)}\n\n`
  return `OCM is shipped together with parts of the packages below. Their licences are:${rule}${entries.join(rule)}\n`
}
