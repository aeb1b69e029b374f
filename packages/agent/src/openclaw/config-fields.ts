/**
 * What the fields of a configuration mean. By their names, which hold for every version and for plugins that nobody
 * here has seen; `config-fields.test.ts` compares them with the fields that are known to mean something.
 */
import type { As } from './strings.ts'

/** Keys whose values are files or directories, command lines, or lists and maps of them. */
const MEANS_PATH =
  /(?:path|paths|dir|dirs|file|files|root|roots|workspace|cwd|command|args|binds|binary|bin|store|home|prepend|identity|targets|requestedPath|grants|profile|shell)$/i
/** Of these, what has to be there for something to work: it is read, run or worked in, and not made when it is missing. */
const IS_NEEDED =
  /^(?:command|mcpCommand|cwd|path|paths|root|args|mcpArgs|workspace|repoRoot|pathPrepend|extraPaths|extraDirs|transformsDir|binary|opBin|\w+File|seccompProfile|apparmorProfile|shell|\$include)$|(?:executable|driver|cli|db|model|extension|[cC]ert|key|ca|certificate)Path$|[iI]dentity$/
/** Of these, what is a program, so that a bare name is looked for where programs are. */
const IS_PROGRAM = /^(?:command|mcpCommand|binary|opBin|shell)$|(?:executable|cli)Path$/
/** Maps whose values people chose freely and programs read. */
const FREE = new Set(['env', 'vars'])
const IS_WORDS =
  /(?:prompt|instructions?|description|message|text|notes?|about|theme|greeting|label|title|name|emoji)$/i
/** Ends like a path and is a part of a URL. */
const IS_ROUTE = /(?:base|webhook|callback|route|mount|api|url|endpoint)-?path$/i
/** Lies on another machine, or inside a container. */
const IS_ELSEWHERE = /(?:^|\.)(?:docker\.(?:workdir|setupCommand)|ssh\.workspaceRoot)$|\bremote\w*$/

/** Keys without the places in lists. */
const named = (keys: readonly string[]) => keys.filter((key) => !/^\d+$/.test(key))

export function meaningOf(keys: readonly string[]): As {
  const names = named(keys)
  const last = names.at(-1) ?? ''
  if (IS_ROUTE.test(last)) return 'loose'
  if (FREE.has(names.at(-2) ?? '')) return 'structured'
  if (last === '$include' || MEANS_PATH.test(last)) {
    if (IS_ELSEWHERE.test(names.join('.'))) return 'structured'
    if (IS_PROGRAM.test(last)) return 'program'
    return IS_NEEDED.test(last) ? 'needed' : 'structured'
  }
  return IS_WORDS.test(last) ? 'guess' : 'loose'
}

/** Names and addresses by which others know this machine, or that it knows of its neighbours. */
const IS_ADDRESS =
  /(?:^|\.)(?:customBindHost|publicOrigin|sshTarget|webhookHost|webhookUrl|publicWebhookUrl|webhookPublicUrl|advertisedUrl|callbackUrl|callbackBaseUrl|publicUrl|hookUrl|remoteHost|httpHost|sandboxOrigin|redirectUrl|activityUrl)$|^gateway\.(?:bind|trustedProxies|remote\.url|portals\.ingress\.domain|nodes\.browser\.node|tailscale\.\w+)$|^(?:tools\.exec|agents\.(?:.+\.)?tools\.exec)\.node$|^discovery\.wideArea\.domain$|^hooks\.gmail\.(?:serve\.bind|tailscale\.target)$|sandbox\.(?:ssh\.target|docker\.extraHosts)$/

/** Where everything listens, and words that stand for it: these hold anywhere. */
const IS_ANYWHERE = /^(?:0\.0\.0\.0|127\.\d+\.\d+\.\d+|::1?|\[::1?\]|localhost|[a-z]+)$/i

export const isAddress = (keys: readonly string[], text: string): boolean =>
  !IS_ANYWHERE.test(text) && IS_ADDRESS.test(named(keys).join('.'))

/**
 * What a number is: a port that this node listens on, or one of this machine that it speaks to. The gateway's own port
 * is neither.
 */
export function portAt(keys: readonly string[]): 'listens' | 'speaks' | undefined {
  const names = named(keys)
  if (!/^port$|Port$/.test(names.at(-1) ?? '') || NOT_HERE.test(names.join('.'))) return undefined
  return SPEAKS.test(names.join('.')) ? 'speaks' : 'listens'
}

const NOT_HERE =
  /^gateway\.port$|remotePort$|^channels\.irc\.|(?:^|\.)(?:smtp|imap|proxy|server)\b/i
const SPEAKS = /^desktop\.host\.port$|\.transport\.httpPort$|^browser\.profiles\..*cdpPort$/
