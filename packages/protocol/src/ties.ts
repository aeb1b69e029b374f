/** What the ties of a snapshot or a target say of a graft. */
import type { Tie } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Graft } from './plan.ts'

export type Holds = NonNullable<TargetFacts['holds']>

/** A place as ties name it, `root:path`, apart. */
export function splitPlace(name: string): { readonly root: string; readonly path: string } {
  const at = name.lastIndexOf(':')
  return { root: name.slice(0, at), path: name.slice(at + 1) }
}

/** Of `state:a/b` the `state:a`, of `state:a` the `state:`. */
export function roomOf(name: string): string {
  const { root, path } = splitPlace(name)
  return `${root}:${path.slice(0, Math.max(0, path.lastIndexOf('/')))}`
}

/** Whether a tie is of something that a graft takes. */
export const isTaken = ({ part }: Tie, graft: Graft): boolean => {
  switch (part.kind) {
    case 'persona':
      return graft.personas.some(({ from }) => from === part.name)
    case 'cron':
      return graft.cron.some(({ from }) => from === part.name)
    case 'config':
      return graft.config.some(
        (around) => part.name === around || part.name.startsWith(`${around}/`),
      )
    case 'section':
      return graft.sections.some((section) => section === part.name)
  }
}
