/** What lies in a tree, byte for byte, so that two trees are compared by value. */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** By name (in hexadecimal, because not every name is UTF-8): kind, permissions and content. */
export function treeOf(
  folder: string,
  options: { readonly without?: (name: string) => boolean; readonly linksAsIs?: boolean } = {},
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  const visit = (path: Buffer, name: string) => {
    if (options.without?.(name)) return
    const stat = lstatSync(path)
    const mode = (stat.mode & 0o7777).toString(8)
    if (stat.isDirectory()) {
      found[`${name}/`] = mode
      for (const child of readdirSync(path, { encoding: 'buffer' })) {
        const shown = child.toString('latin1')
        visit(
          Buffer.concat([path, Buffer.from('/'), child]),
          name === '' ? shown : `${name}/${shown}`,
        )
      }
    } else if (stat.isSymbolicLink()) {
      found[name] = `link ${options.linksAsIs === false ? '' : readlinkSync(path)}`
    } else {
      found[name] = `${mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
    }
  }
  visit(Buffer.from(folder), '')
  return found
}
