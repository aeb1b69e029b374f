/** `ocm dial`: a node is connected with this machine's own ssh. No credential leaves it. */
import { type Job, type NodeState, OcmError, type SshConnection } from '@ocm/protocol'
import { type Dialled, dialFromHere } from '../node/dial/dial.ts'
import { lookFromHere } from '../node/dial/look.ts'
import { keepConnection, openConnection } from '../ssh/stored.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { issueTicket } from '../vault/ticket.ts'
import { doneOrThrow, eitherOf, followJob } from '../work/follow.ts'
import { approveHosts } from './approve-host.ts'
import { type ConnectionOptions, connectionFrom } from './connection-options.ts'
import { type Context, withVault } from './context.ts'
import { short } from './format.ts'
import { nodeNamed } from './names.ts'
import { secretFromFile } from './secrets.ts'
import { linkOpener } from './link-opener.ts'
import { tellSteps } from './steps.ts'

export interface DialOptions extends ConnectionOptions {
  readonly new?: string
  readonly label?: string
  readonly hostKey?: readonly string[]
  /** Back it up and end. */
  readonly backup?: boolean
}

const TICKET_MS = 10 * 60_000
const ASK_AGAIN_MS = 300
const ONLINE_MS = 60_000
const AWAY_MS = 10_000

export async function dialNode(
  context: Context,
  name: string | undefined,
  options: DialOptions,
): Promise<void> {
  if (!context.known) throw new OcmError('login-needed')
  if ((name === undefined) === (options.new === undefined)) {
    throw new OcmError('wrong-use', { what: 'Name a node, or a new one with --new USER@HOST' })
  }
  if (options.new !== undefined) return dialNew(context, options.new, options)
  const { ports } = context
  const node = await nodeNamed(ports.api, name ?? '')
  await awayOrThrow(context, node)
  const connection = await withVault(context, (unlocked) =>
    openConnection(ports, unlocked, node.id),
  )
  if (connection === undefined) throw new OcmError('node-not-ssh')
  const dialled = await connected(context, connection, undefined, async () => {
    const { online } = await ports.api.node(node.id)
    return online ? node.id : undefined
  })
  await stay(context, await ports.api.node(node.id), dialled, options)
}

/**
 * That it is there says that it came through here only of a node that was not there before. One whose lease has just
 * ended is given its time.
 */
async function awayOrThrow({ ports }: Context, { id, label }: NodeState): Promise<void> {
  const never = new Promise<void>(() => undefined)
  for (const begun = ports.now(); ports.now() - begun < AWAY_MS;) {
    if (!(await ports.api.node(id)).online) return
    await eitherOf(never, ASK_AGAIN_MS)
  }
  throw new OcmError('wrong-use', { what: `${label} is connected already` })
}

async function dialNew(context: Context, destination: string, options: DialOptions) {
  const { terminal, ports } = context
  const wanted = connectionFrom(destination, 'agent', options)
  const connection = await approveHosts(
    { ...context, look: lookFromHere },
    wanted,
    options.hostKey ?? [],
  )
  const label = options.label ?? wanted.host
  const { node, dialled } = await withVault(context, async (opened) => {
    const { join, ticket } = await issueTicket(ports, opened, { label, ttlMs: TICKET_MS })
    const joined = async () => (await ports.api.tickets()).find(({ id }) => id === ticket.id)?.node
    const begun = await connected(context, connection, join, joined)
    try {
      const id = (await joined()) ?? ''
      const { unlocked } = await confirmNodes(ports, opened)
      if (!unlocked.record.nodes.some((one) => one.id === id)) {
        throw new OcmError('node-unconfirmed')
      }
      await keepConnection(ports, unlocked, id, connection)
      return { node: await ports.api.node(id), dialled: begun }
    } catch (error) {
      begun.end()
      throw error
    }
  })
  terminal.say(`${node.label} is a node, confirmed by the vault.`)
  await stay(context, node, dialled, options)
}

/** Answers when the hub sees the node. @throws OcmError why the connection ended before */
async function connected(
  { terminal, ports, access }: Context,
  connection: SshConnection,
  join: string | undefined,
  seen: () => Promise<string | null | undefined>,
): Promise<Dialled> {
  let isReady = false
  const dialled = dialFromHere({
    connection,
    onReady: () => (isReady = true),
    ...(join === undefined ? {} : { join }),
    openLink: linkOpener(access),
    sudoPassword: async () =>
      (await secretFromFile(terminal, 'OCM_SSH_SUDO_PASSWORD_FILE')) ??
      terminal.ask(`Password for sudo of ${connection.user}`, 'secret'),
  })
  let ended = false
  const over = dialled.closed.finally(() => (ended = true))
  // Looked at below; until then it is not unhandled.
  over.catch(() => undefined)
  for (const begun = ports.now(); ports.now() - begun < ONLINE_MS;) {
    if (ended) await over
    if (isReady && typeof (await seen()) === 'string') return dialled
    await eitherOf(
      over.catch(() => undefined),
      ASK_AGAIN_MS,
    )
  }
  dialled.end()
  throw new OcmError('deadline-passed')
}

/** Until somebody ends it, or what was asked for is done. */
async function stay(
  { terminal, ports: { api } }: Context,
  node: NodeState,
  dialled: Dialled,
  { backup }: DialOptions,
): Promise<void> {
  if (backup === true) {
    try {
      const { id } = await api.startJob({ kind: 'backup', node: node.id })
      const job: Job = doneOrThrow(await followJob(api, id, tellSteps(terminal)))
      return terminal.result(job, `Snapshot ${short(job.snapshot ?? '')} of ${node.label}.`)
    } finally {
      dialled.end()
      await dialled.closed
    }
  }
  terminal.say(`${node.label} is connected through this machine until you end this: Ctrl-C.`)
  const end = () => dialled.end()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end)
  await dialled.closed
  terminal.result({ id: node.id, label: node.label }, `${node.label} is not connected any more.`)
}
