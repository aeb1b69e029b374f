/** `ocm import`: takes an archive of OpenClaw's own in, as a node with one snapshot that can be cloned from. */
import { mkdir, mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { AdoptResult, type Job, OcmError, UnpackResult, check } from '@ocm/protocol'
import { runErrand } from '../node/errand.ts'
import { partingWith, passing } from '../node/leavings.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { issueTicket } from '../vault/ticket.ts'
import { doneOrThrow, followJob } from '../work/follow.ts'
import { type Context, sayConfirmation, withVault } from './context.ts'
import { bytes, count, short } from './format.ts'
import { tellSteps } from './steps.ts'
import { visible } from './terminal.ts'

export interface ImportOptions {
  readonly label?: string
  readonly skipLinks?: boolean
  readonly maxRatio?: string
  /** Of the account that the archive comes from, where that cannot be told from it. */
  readonly home?: string
}

const TICKET_MS = 3_600_000
/** Much more than the largest archive takes; a reader that was led into a loop ends. */
const READER = { timeMs: 3_600_000, memoryBytes: 768 * 1024 * 1024 }

export async function importArchive(
  context: Context,
  archive: string,
  options: ImportOptions,
): Promise<void> {
  const { terminal, known } = context
  if (!known) throw new OcmError('login-needed')
  const path = resolve(archive)
  const label = options.label ?? labelOf(path)
  const maxRatio = ratioOf(options.maxRatio)
  await checkThere(path)
  const scratch = await mkdtemp(join(tmpdir(), 'ocm-import-'))
  await passing(scratch, async () => {
    const below = join(scratch, 'files')
    await mkdir(below, { mode: 0o700 })
    terminal.say(`Looking at ${path}.`)
    const read = await runErrand(
      { kind: 'unpack', archive: path, to: below, skipLinks: options.skipLinks ?? false, maxRatio },
      { limits: { ...READER, may: { read: [path, below], write: [below] } } },
    )
    const unpacked = check(UnpackResult, read, 'answer of the agent program')
    terminal.say(whatIsIn(unpacked))
    const { node, job } = await adopt(context, {
      scratch,
      below,
      label,
      unpacked,
      home: options.home,
    })
    const snapshot = job.snapshot ?? ''
    terminal.result(
      {
        node,
        label,
        snapshot,
        entries: unpacked.entries,
        bytes: unpacked.bytes,
        leftOut: unpacked.leftOut,
      },
      `${label} is a node with one snapshot, ${short(snapshot)}. It never connects again; bring it to life elsewhere:\n` +
        `  ocm clone ${label} NODE     (or ocm export, ocm ls)`,
    )
  })
}

interface Adopting {
  readonly scratch: string
  readonly below: string
  readonly label: string
  readonly unpacked: UnpackResult
  readonly home: string | undefined
}

/** Enrols a node whose identity lasts as long as its one backup. */
async function adopt(
  context: Context,
  { scratch, below, label, unpacked, home }: Adopting,
): Promise<{ readonly node: string; readonly job: Job }> {
  const { terminal, ports } = context
  const { origin, leftOut, links } = unpacked
  const layout =
    home === undefined
      ? origin.layout
      : { ...origin.layout, roots: { ...origin.layout.roots, home: resolve(home) } }
  return withVault(context, async (unlocked) => {
    if ((await ports.api.nodes()).some((node) => node.label === label)) {
      throw new OcmError('wrong-use', {
        what: `There is a node called “${label}”; --label names another`,
      })
    }
    const { join: text } = await issueTicket(ports, unlocked, {
      label,
      ttlMs: TICKET_MS,
      guest: true,
    })
    let job: Job | undefined
    const result = await runErrand(
      {
        kind: 'adopt',
        below,
        origin: { ...origin, layout },
        state: join(scratch, 'agent'),
        join: text,
        leftOut,
        links,
      },
      {
        onJoined: async (node) => {
          const { unlocked: _, ...confirmation } = await confirmNodes(ports, unlocked)
          sayConfirmation(terminal, confirmation)
          const { id } = await ports.api.startJob({ kind: 'backup', node })
          // It would wait for a node that never comes again.
          const { api } = ports
          job = await partingWith(
            () => api.cancelJob(id),
            async () => doneOrThrow(await followJob(api, id, tellSteps(terminal))),
          )
        },
      },
    )
    const { node } = check(AdoptResult, result, 'answer of the agent program')
    if (job === undefined) throw new OcmError('errand-failed')
    return { node, job }
  })
}

function whatIsIn({ entries, bytes: size, origin, leftOut }: UnpackResult): string {
  const { home, state } = origin.layout.roots
  const lines = [
    `${count(entries, 'entry', 'entries')}, ${bytes(size)}; OpenClaw ${origin.layout.versions.openclaw}, ${state} of ${home}, made ${origin.createdAt}.`,
  ]
  if (leftOut.length > 0) lines.push(`${count(leftOut.length, 'link')} left out:`)
  return [...lines, ...leftOut.slice(0, 20).map((path) => `  ${path}`)].join('\n')
}

/** The beginning of a file's name, as far as a label may be made of it. */
const labelOf = (path: string): string =>
  visible(basename(path).replace(/\.(?:tar\.gz|tgz)$/, '')).slice(0, 60) || 'imported'

function ratioOf(text: string | undefined): number {
  const ratio = text === undefined ? 100 : Number(text)
  if (!Number.isInteger(ratio) || ratio < 1 || ratio > 1100) {
    throw new OcmError('wrong-use', { what: '--max-ratio takes a number from 1 to 1100' })
  }
  return ratio
}

async function checkThere(path: string): Promise<void> {
  try {
    await stat(path)
  } catch (cause) {
    throw new OcmError('not-found', { what: 'archive' }, { cause })
  }
}
