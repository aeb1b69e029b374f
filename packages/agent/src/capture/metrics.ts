/** What a snapshot shows to the hub: counts of a closed list, no names. */
import type { Entry, Inventory, Manifest, Metrics } from '@ocm/protocol'
import type { Drafts } from './draft.ts'

export function metricsOf(
  drafts: Drafts,
  rest: Pick<Manifest, 'omissions' | 'warnings' | 'inventory'>,
  written: Pick<Metrics, 'newBytes' | 'storedBytes'>,
): Metrics {
  const { omissions, warnings, inventory } = rest
  const ofKind = (kind: Entry['kind']) => drafts.all.filter((one) => one.kind === kind).length
  const unreadable = omissions.filter(({ why }) => why === 'unreadable').length
  return {
    files: ofKind('file'),
    directories: ofKind('directory'),
    links: ofKind('link'),
    databases: ofKind('database'),
    bytes: drafts.all.reduce((bytes, draft) => bytes + drafts.sizeOf(draft), 0),
    newBytes: written.newBytes,
    storedBytes: written.storedBytes,
    unstable: drafts.all.filter((draft) => draft.isUnstable).length,
    omitted: omissions.length - unreadable,
    unreadable,
    warnings: warnings.length,
    ...countsOf(inventory),
  }
}

/** Of cron jobs those that people made: what OpenClaw adds by itself is no sign of a loss. */
function countsOf(inventory: Inventory | null) {
  const sessions = Object.values(inventory?.sessions ?? {})
  return {
    personas: inventory?.personas.length ?? 0,
    cronJobs: inventory?.cron.filter((job) => job.user).length ?? 0,
    authProfiles: inventory?.authProfiles.length ?? 0,
    plugins: inventory?.plugins.length ?? 0,
    skills: inventory?.skills.length ?? 0,
    channels: inventory?.channels.length ?? 0,
    pairings: inventory?.pairings ?? 0,
    sessions: sessions.reduce((count, ids) => count + ids.length, 0),
  }
}
