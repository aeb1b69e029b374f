/** Skills by the names they give themselves; those that come with OpenClaw are a matter of its version. */
import type { PlacedPath } from '@ocm/protocol'
import { rootName } from './extras.ts'
import type { Sight } from './sight.ts'

const MAX_DEPTH = 6

/** A persona's own stand with its name before them. */
export function skillsOf(sight: Sight, personas: readonly string[]): readonly string[] {
  const roots = Object.keys(sight.layout.roots)
  const everybodys = [
    { root: 'state', path: 'skills' },
    ...roots
      .filter((root) => /^extra:(?:user-)?skills/.test(root))
      .map((root) => ({ root, path: '' })),
  ]
  const own = personas.flatMap((persona) => {
    const root = `workspace:${rootName(persona)}`
    const directories = ['skills', '.agents/skills'].map((path) => ({ root, path }))
    return directories.flatMap((directory) =>
      namesIn(sight, directory).map((name) => `${persona}/${name}`),
    )
  })
  return [...everybodys.flatMap((directory) => namesIn(sight, directory)), ...own]
}

/** A directory with a SKILL.md is a skill; one without may hold some. */
function namesIn(sight: Sight, directory: PlacedPath, depth = 0): readonly string[] {
  const names = sight.names(directory)
  const below = (name: string) => (directory.path === '' ? name : `${directory.path}/${name}`)
  if (depth > 0 && names.includes('SKILL.md')) {
    const title = sight.told('skill', { root: directory.root, path: below('SKILL.md') })
    return title === undefined ? [] : [title || (directory.path.split('/').at(-1) ?? '')]
  }
  if (depth >= MAX_DEPTH) return []
  return names
    .filter((name) => !name.startsWith('.') && name !== 'node_modules')
    .flatMap((name) => namesIn(sight, { root: directory.root, path: below(name) }, depth + 1))
}
