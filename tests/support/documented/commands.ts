/** The commands of a page: what stands in its blocks of shell, and what it only speaks of. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Documented {
  /** `README.md:41` */
  readonly at: string
  /** Without the comment behind it. */
  readonly text: string
}

export function blockCommands(page: string): readonly Documented[] {
  const found: Documented[] = []
  let isShell = false
  const lines = readFileSync(`${ROOT}${page}`, 'utf8').split('\n')
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('```')) {
      isShell = line === '```sh'
      continue
    }
    const text = line.replace(/(^|\s+)#\s.*$/, '').trim()
    if (isShell && text !== '') found.push({ at: `${page}:${i + 1}`, text })
  }
  return found
}

/** Commands of ours in running text, which may leave out arguments. */
export function mentionedCommands(page: string): readonly string[] {
  const text = readFileSync(`${ROOT}${page}`, 'utf8').replaceAll(/^```[^]*?^```/gm, '')
  const spans = [...text.matchAll(/`((?:ocm|ocm-hub|ocm-agent) [^`]+)`/g)].map(([, span]) => span)
  return [...new Set(spans as string[])]
}
