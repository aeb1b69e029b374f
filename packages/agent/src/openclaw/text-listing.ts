/** What single files list, as names, ids and counts: JSON, and no secret in it. */
import { isBotToken } from './bot-tokens.ts'
import { botTokensInEnv, keysInEnv } from './config-listing.ts'
import { type Job, type Profile, jobIn, profilesIn } from './listing.ts'
import { type Print, markWith, printOfPairing, printOfToken } from './prints.ts'
import { parsed } from './salvage.ts'
import { at, isTree, textAt } from './tree.ts'
import { assignmentsIn } from './variables.ts'
import { HIDDEN, variableView } from './view.ts'

/** By kind of file. */
export interface TextListing {
  /** The name a skill gives itself; '' when it gives none. */
  readonly skill: string
  /** The id of a plugin; '' when it has none. */
  readonly plugin: string
  /** How many bot tokens it holds. */
  readonly env: number
  /** How many keys of providers it holds. */
  readonly keys: number
  /** The names it gives values to, of each value the fingerprint that it has as a bot's token, and how it is compared. */
  readonly assigned: readonly (readonly [name: string, print: string, shown: string])[]
  /** Fingerprints of a file that is a bot's token, of the device it names, and of the account that it is paired with. */
  readonly token: string
  readonly device: string
  readonly pairing: string
  /** Up to 2026.7 jobs were a file, */
  readonly jobs: readonly Job[]
  /** and so were the conversations of a persona, */
  readonly sessions: readonly string[]
  /** and its accounts. */
  readonly profiles: readonly Profile[]
}

export type TextKind = keyof TextListing

export const LIST: { readonly [K in TextKind]: (text: string, print: Print) => TextListing[K] } = {
  skill: (text) => titleOf(text) ?? '',
  plugin: (text) => textAt(parsed(text), 'id') ?? '',
  env: botTokensInEnv,
  keys: keysInEnv,
  assigned: (text, print) =>
    assignmentsIn(text).map(([name, value]) => {
      const shown = isOwn(name) ? HIDDEN : variableView(name, value, markWith(print))
      return [name, printOfToken(value, print), shown] as const
    }),
  token: printOfToken,
  device: (text, print) => {
    const device = textAt(parsed(text), 'deviceId')
    return device === undefined ? '' : print('device-key', device)
  },
  pairing: (text, print) => printOfPairing('whatsapp', parsed(text), print),
  jobs: (text) => jobsIn(at(parsed(text), 'jobs')),
  sessions: (text) => {
    const listed = parsed(text)
    const ids = isTree(listed) ? Object.values(listed).map((entry) => at(entry, 'sessionId')) : []
    return ids.filter((id) => typeof id === 'string')
  },
  profiles: (text) => profilesIn(parsed(text)),
}

/** Of one node alone: who it is for channels, and how its own gateway is reached. */
const isOwn = (name: string): boolean => isBotToken(name) || name.startsWith('OPENCLAW_')

/** The `name:` of the header between lines of dashes. */
function titleOf(text: string): string | undefined {
  const header = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? ''
  const name = /^name:[ \t]*(.*?)[ \t]*$/m.exec(header)?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
  return name === undefined || name === '' ? undefined : name
}

function jobsIn(jobs: unknown): readonly Job[] {
  if (!Array.isArray(jobs)) return []
  return jobs.filter(isTree).map((job) => ({
    id: String(job['id'] ?? ''),
    user: job['declarationKey'] === undefined,
    enabled: job['enabled'] !== false,
    ...jobIn(job),
  }))
}
