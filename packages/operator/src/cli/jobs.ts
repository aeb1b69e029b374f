/** `ocm backup`, `ocm jobs` and `ocm audit`. */
import { type Job, type NodeState, OcmError, isFinal } from '@ocm/protocol'
import type { Unlocked } from '../vault/unlock.ts'
import { doneOrThrow, followJob, readJobLog } from '../work/follow.ts'
import { type Context, withVault } from './context.ts'
import { count, factsText, seconds, short, table, time } from './format.ts'
import { isToBeLent, lenderAt } from './lending.ts'
import { jobNamed, nodeNamed } from './names.ts'
import type { CredentialOptions } from './ssh-secrets.ts'
import { tellSteps } from './steps.ts'

export async function backup(
  context: Context,
  name: string,
  options: CredentialOptions,
): Promise<void> {
  const { terminal, ports } = context
  const node = await nodeNamed(ports.api, name)
  // The passphrase is for how the node is reached; a backup itself needs no key.
  const job = await ((await asksCredential(context, node))
    ? withVault(context, (unlocked) => backUpLent(context, unlocked, node, options))
    : backUpNow(context, node))
  const { warnings = 0 } = job
  const how =
    warnings === 0
      ? ''
      : ` It is done with ${count(warnings, 'warning')}: something may not be as it was on the node.\n${whichWarnings(job)}`
  terminal.result(
    job,
    `Snapshot ${short(job.snapshot ?? '')} of ${node.label}, in ${lasted(job)}.${how}`,
  )
}

/** Names are sealed: the hub's count of warnings is all that a job has. */
const whichWarnings = ({ snapshot }: Job) => `Which: ocm snapshots show ${short(snapshot ?? '')}`

async function backUpNow(
  { terminal, ports: { api } }: Context,
  node: NodeState,
  heed: (job: Job) => void = () => undefined,
): Promise<Job> {
  const { id } = await api.startJob({ kind: 'backup', node: node.id })
  const tell = tellSteps(terminal)
  return doneOrThrow(
    await followJob(api, id, (job) => {
      tell(job)
      heed(job)
    }),
  )
}

const asksCredential = async ({ ports: { api } }: Context, node: NodeState): Promise<boolean> =>
  isToBeLent(node) && (await api.sshOf(node.id)).delegation === null

/** A new snapshot of a node, whichever way it is reached. */
export const backUpWith = async (
  context: Context,
  unlocked: Unlocked,
  node: NodeState,
  options: CredentialOptions,
): Promise<Job> =>
  (await asksCredential(context, node))
    ? backUpLent(context, unlocked, node, options)
    : backUpNow(context, node)

async function backUpLent(
  context: Context,
  unlocked: Unlocked,
  node: NodeState,
  options: CredentialOptions,
): Promise<Job> {
  const lender = lenderAt(context, unlocked, options)
  try {
    await lender.connect([node.id])
    return await backUpNow(context, node, (job) => lender.heed(job))
  } finally {
    await lender.close()
  }
}

const lasted = ({ startedAt, endedAt }: Job) =>
  startedAt === null || endedAt === null ? '-' : seconds(endedAt - startedAt)

export async function listJobs({ terminal, ports }: Context): Promise<void> {
  const [jobs, nodes] = [await ports.api.jobs(), await ports.api.nodes()]
  const rows = jobs.map((job) => [
    short(job.id),
    job.kind,
    betweenOf(job, nodes),
    stateText(job),
    time(job.createdAt),
    lasted(job),
    job.createdBy,
  ])
  const shown = table(['JOB', 'KIND', 'NODE', 'STATE', 'BEGUN', 'TOOK', 'BY'], rows)
  terminal.result(jobs, jobs.length === 0 ? 'No jobs yet.' : shown)
}

function stateText({ state, error, warnings = 0, unfenced }: Job): string {
  const owed =
    state === 'failed' ? 'the source has not heard of it yet' : 'the source is not fenced yet'
  if (unfenced === 'owed') return `${state} (${error === null ? owed : `${error.code}, ${owed}`})`
  if (error !== null) return `${state} (${error.code})`
  return warnings === 0 ? state : `${state} (${count(warnings, 'warning')})`
}

function betweenOf(job: Job, nodes: readonly NodeState[]): string {
  const label = (id: string) => nodes.find((node) => node.id === id)?.label ?? short(id)
  const source = job.source
  return source === null || source === job.node
    ? label(job.node)
    : `${label(source)} to ${label(job.node)}`
}

export async function showJob(
  context: Context,
  name: string,
  given: { readonly log?: boolean },
): Promise<void> {
  const { terminal, ports } = context
  const job = await jobNamed(ports.api, name)
  const log = given.log
    ? await withVault(context, (unlocked) => readJobLog(ports, unlocked, job.id))
    : undefined
  const lines = [
    `${job.kind} ${job.id}: ${stateText(job)}`,
    ...job.steps.map(
      (step) => `  ${step.name}: ${step.state}${step.phase === '' ? '' : `, ${step.phase}`}`,
    ),
    ...(job.error === null ? [] : [`  ${job.error.code} ${factsText(job.error.facts)}`.trimEnd()]),
    ...(job.kind === 'backup' && (job.warnings ?? 0) > 0 ? [`  ${whichWarnings(job)}`] : []),
    ...(job.downtimeMs === null ? [] : [`  downtime ${seconds(job.downtimeMs)}`]),
    ...(log ?? []).map(({ at, text }) => `  ${time(at)}  ${text}`),
  ]
  terminal.result(log === undefined ? job : { ...job, log }, lines.join('\n'))
}

export async function cancelJob({ terminal, ports }: Context, name: string): Promise<void> {
  const { id, kind } = await jobNamed(ports.api, name)
  if (!(await terminal.approve(`Cancel the ${kind}?`))) throw new OcmError('declined')
  const job = await ports.api.cancelJob(id)
  terminal.result(
    job,
    `${kind} ${short(id)}: ${isFinal(job.state) ? job.state : 'is asked to end'}.`,
  )
}

export async function audit({ terminal, ports }: Context): Promise<void> {
  const entries = await ports.api.audit()
  const rows = entries.map(({ at, actor, action, subject }) => [time(at), actor, action, subject])
  terminal.result(entries, table(['WHEN', 'WHO', 'WHAT', 'ON'], rows))
}
