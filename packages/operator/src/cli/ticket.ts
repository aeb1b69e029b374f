/** `ocm ticket`: a join string for one node. */
import { OcmError } from '@ocm/protocol'
import { installLine } from '../install-line.ts'
import { issueTicket } from '../vault/ticket.ts'
import { type Context, withVault } from './context.ts'
import { time } from './format.ts'
import { hubUrl, isLoopback } from './settings.ts'

export interface TicketOptions {
  readonly label: string
  readonly ttl: string
  readonly address?: readonly string[]
}

export async function ticket(
  context: Context,
  { label, ttl, address }: TicketOptions,
): Promise<void> {
  const ttlMs = duration(ttl)
  const urls = address?.map(hubUrl)
  await withVault(context, async (unlocked) => {
    const wish = { label, ttlMs, ...(urls === undefined ? {} : { urls }) }
    const issued = await issueTicket(context.ports, unlocked, wish)
    context.terminal.say(
      `For one node, until ${time(issued.ticket.expiresAt)}. Run there: ocm-agent join STRING`,
    )
    const line = await installation(context, urls?.[0] ?? context.ports.api.url)
    if (line !== undefined) {
      context.terminal.say('Where there is no agent yet, this installs it and asks for the string:')
      context.terminal.say(`  ${line}`)
    }
    if (urls === undefined && isLoopback(context.ports.api.url)) {
      context.terminal.say(
        `It names ${context.ports.api.url}, which a node on another machine does not reach; --address names another.`,
      )
    }
    context.terminal.result(issued, issued.join)
  })
}

async function installation({ ports }: Context, url: string): Promise<string | undefined> {
  const isOwn = url.startsWith('https:') && (await ports.api.certificate()) !== undefined
  return installLine(url, await ports.api.installState(), isOwn)
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** '30m', '2h', '1d'. @throws OcmError 'wrong-use' */
export function duration(text: string): number {
  const [, digits, unit] = /^(\d{1,5})([smhd])$/.exec(text) ?? []
  if (digits === undefined || Number(digits) === 0) {
    throw new OcmError('wrong-use', { what: 'A time to live looks like 30m, 2h or 1d' })
  }
  return Number(digits) * UNITS[unit as keyof typeof UNITS]
}
