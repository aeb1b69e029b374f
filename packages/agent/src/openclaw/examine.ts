/** What a capture holds, as operators are to see it. Reads the captured copies and nothing else. */
import type { Mention } from '@ocm/protocol'
import type { Captured, Findings } from '../installation.port.ts'
import { isDatabaseError } from './databases.ts'
import type { Where } from './discovery.ts'
import { holdingsOf } from './holdings.ts'
import { inventoryOf } from './inventory.ts'
import { collectMentions } from './mentions.ts'
import { withCapturedSight } from './sight.ts'
import { viewOf } from './view.ts'

export async function examine(captured: Captured, where: Where): Promise<Findings> {
  const copies = new Map<string, string>()
  for (const [name, { source }] of captured.databases) {
    const copy = await captured.openDatabase(source.place)
    if (copy !== undefined) copies.set(name, copy)
  }
  const mentions = await mentionsOf(captured)
  return withCapturedSight(captured, where, copies, (sight) => {
    if ('flaw' in mentions) {
      sight.warnings.push({ code: 'mentions-missing', detail: mentions.flaw })
    }
    const known = sight.state !== undefined || sight.config.files.length > 0
    const inventory = inventoryOf(sight, where)
    const walked = new Set(captured.survey.trees.map(({ root }) => root))
    for (const [root, absolute] of Object.entries(sight.layout.roots)) {
      if (!root.startsWith('workspace:') || walked.has(root)) continue
      // A persona whose workspace vanished fails every turn, here already.
      sight.warnings.push({ code: 'workspace-missing', detail: absolute })
    }
    return {
      mentions: 'flaw' in mentions ? [] : mentions.found,
      holdings: known ? holdingsOf(sight, inventory, credentialFilesIn(captured)) : [],
      config: viewOf(sight.config.tree),
      inventory: known ? inventory : null,
      warnings: sight.warnings,
      remember: new Uint8Array(),
    }
  })
}

/** A snapshot without its mentions is worth more than none: it restores where it came from. */
async function mentionsOf(
  captured: Captured,
): Promise<{ readonly found: readonly Mention[] } | { readonly flaw: string }> {
  try {
    return { found: await collectMentions(captured) }
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    return { flaw: error.message }
  }
}

const credentialFilesIn = ({ entries }: Captured): number =>
  entries.filter(
    ({ placement: { section, class: packClass, travel } }) =>
      section === 'channels' && packClass === 'secret' && travel === 'identity',
  ).length
