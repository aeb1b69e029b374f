/** Where a symbolic link points, as a string like any other. */
import { posix } from 'node:path'
import { rootOfPath, rewritePath } from '@ocm/protocol'
import { type Place, type Walk, visitText } from './strings.ts'

/**
 * A relative target matters only when it leads into another root than the link's own: then it is visited as the place
 * it means, and becomes the way from the link's new place to that place's new one.
 * @param link absolute, by the layout it was captured under.
 */
export function visitLink(walk: Walk, of: Place, link: string, target: string): string {
  const place = { ...of, needed: true }
  if (target.startsWith('/')) return visitText(walk, place, 'path', target)
  const meant = posix.resolve(posix.dirname(link), target)
  const root = rootOfPath(meant, walk.rules)
  if (root === undefined || root === rootOfPath(link, walk.rules)) return target
  const becomes = visitText(walk, place, 'path', meant)
  if (becomes === meant) return target
  const newLink = rewritePath(link, walk.rules)
  return posix.relative(posix.dirname(newLink), becomes)
}
