/** The texts that Debian wants in a package. */
import type { Architecture, Program } from './programs.ts'

/** Who publishes them says who answers for them. */
const MAINTAINER = process.env['OCM_MAINTAINER'] ?? 'OCM contributors <packages@ocm.invalid>'

const list = (field: string, names: readonly string[] = []) =>
  names.length === 0 ? [] : [`${field}: ${names.join(', ')}`]

export function controlText(
  { name, summary, about, debian }: Program,
  version: string,
  arch: Architecture,
  installedKiB: number,
): string {
  return [
    `Package: ${name}`,
    `Version: ${version}`,
    'Section: admin',
    'Priority: optional',
    `Architecture: ${arch}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${installedKiB}`,
    ...list('Depends', debian?.depends),
    ...list('Recommends', debian?.recommends),
    `Description: ${summary}`,
    ...about.map((line) => ` ${line}`),
    ' .',
    ' It brings its own Node.js: what repairs a machine must not stand on what',
    ' broke there.',
    '',
  ].join('\n')
}

export const changelogText = (
  name: string,
  version: string,
  at: number,
): string => `${name} (${version}) unstable; urgency=medium

  * See CHANGELOG.md of the sources.

 -- ${MAINTAINER}  ${new Date(at * 1000).toUTCString().replace('GMT', '+0000')}
`

/** @param notices names of files beside it */
export const copyrightText = (licence: string, notices: readonly string[]): string =>
  `${licence}\nWhat is in it of others, and under which licences: ${notices.join(', ')} in this directory.\n`
