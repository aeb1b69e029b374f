/** Where the links of an archive lead, followed as a file system would, over the archive's own names. */

const HOPS_MAX = 40

/**
 * @param links the target of each link, by its path.
 * @param top the directory that it may not lead out of; the link lies in it.
 * @returns whether following it never leaves `top`, whatever lies there.
 */
export function staysWithin(
  links: ReadonlyMap<string, string>,
  top: string,
  link: string,
): boolean {
  const at = link.split('/').slice(0, -1)
  const depth = top.split('/').length
  const todo = (links.get(link) ?? '').split('/').toReversed()
  if (links.get(link)?.startsWith('/') === true) return false
  let hops = 1
  while (todo.length > 0) {
    const name = todo.pop() as string
    if (name === '' || name === '.') continue
    if (name === '..') {
      at.pop()
      if (at.length < depth) return false
      continue
    }
    at.push(name)
    const target = links.get(at.join('/'))
    if (target === undefined) continue
    if (target.startsWith('/') || ++hops > HOPS_MAX) return false
    at.pop()
    todo.push(...target.split('/').toReversed())
  }
  return true
}

/** The same place as an absolute path, said from where a link lies; both absolute. */
export function relativeTo(link: string, target: string): string {
  const from = link.split('/').slice(1, -1)
  const to = target.split('/').filter((name) => name !== '')
  let same = 0
  while (same < from.length && same < to.length && from[same] === to[same]) same++
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/') || '.'
}
