/** `ocm move`, `ocm clone`, `ocm restore` and `ocm plan`. */
import {
  type Choices,
  type Job,
  type NodeState,
  OcmError,
  type Plan,
  isEmptySelection,
  keysOfPointer,
} from '@ocm/protocol'
import { newestSnapshot } from '../snapshots/open.ts'
import { type Stage, type Wish, carryOut, prepareIn } from '../work/operation.ts'
import { type Context, sayConfirmation, withVault } from './context.ts'
import { seconds, short } from './format.ts'
import { lenderAt } from './lending.ts'
import { findNode, snapshotNamed } from './names.ts'
import { askPassphrase } from './secrets.ts'
import { sectionNamed } from './sections.ts'
import { planText } from './show-plan.ts'
import type { CredentialOptions } from './ssh-secrets.ts'
import { tellSteps } from './steps.ts'

export interface ApplyOptions extends CredentialOptions {
  readonly root?: readonly string[]
  readonly port?: string
  readonly prose?: boolean
  readonly allowUpgrade?: boolean
  /** Of a clone, whose jobs start disabled otherwise. */
  readonly keepCron?: boolean
  /** Of a move or a restore, whose jobs go on as they were otherwise. */
  readonly disableCron?: boolean
  readonly gatewayToken?: Choices['gatewayToken']
  readonly keepApiKeys?: boolean
  readonly partial?: boolean
  readonly sourceIsOff?: boolean
  /** False with --no-trial. */
  readonly trial?: boolean
  readonly snapshot?: string
  readonly onlySection?: readonly string[]
  readonly onlyPersona?: readonly string[]
  readonly onlyCron?: readonly string[]
  readonly onlyConfig?: readonly string[]
}

/** What was typed: two nodes, or one and a snapshot of it. */
export interface Named {
  readonly kind: Choices['kind']
  readonly source: string
  readonly target: string
  readonly snapshot?: string | undefined
}

interface Resolved {
  readonly wish: Wish
  readonly source: NodeState
  readonly target: NodeState
}

export async function apply(context: Context, named: Named, options: ApplyOptions): Promise<void> {
  const { terminal, ports, known } = context
  if (!known) throw new OcmError('login-needed')
  const { wish, source, target } = await resolve(context, named, options)
  if (wish.unfenced && source.online) throw new OcmError('source-online')
  const outcome = await carryOut(ports, wish, {
    passphrase: () => askPassphrase(terminal),
    approve: async (plan) => {
      terminal.say(`\n${planText(plan)}\n`)
      if (plan.findings.some(({ weight }) => weight === 'blocker')) return false
      if (wish.unfenced && !(await attests(context, source))) return false
      return terminal.approve(question(plan, source, target))
    },
    onStage: teller(context),
    lender: (unlocked) => lenderAt(context, unlocked, options),
  })
  if (outcome === undefined) throw new OcmError('declined')
  const { job, plan } = outcome
  terminal.result({ ...job, plan: plan.hash }, resultText(job, plan, source, target))
}

/** The same as would be approved; a plan that is only looked at does not back anything up. */
export async function showPlan(
  context: Context,
  named: Named,
  options: ApplyOptions,
): Promise<void> {
  const { terminal, ports } = context
  const { wish } = await resolve(context, named, options)
  await withVault(context, async (unlocked) => {
    const snapshot = wish.snapshot ?? (await newestSnapshot(ports, unlocked, wish.source))
    const lender = lenderAt(context, unlocked, options)
    try {
      await lender.connect([wish.target])
      const wanted = { ...wish, snapshot }
      const { plan } = await prepareIn(ports, unlocked, wanted, teller(context), lender)
      terminal.result(plan, planText(plan))
    } finally {
      await lender.close()
    }
  })
}

async function resolve({ ports }: Context, named: Named, options: ApplyOptions): Promise<Resolved> {
  const choices = choicesOf(named.kind, options)
  const nodes = await ports.api.nodes()
  const source = findNode(nodes, named.source)
  const target = findNode(nodes, named.target)
  const name = named.snapshot ?? options.snapshot
  // A snapshot of another node is found too, so that the answer is that it is one.
  const snapshot =
    name === undefined
      ? undefined
      : await snapshotNamed(ports.api, name, name === 'latest' ? source.id : undefined)
  if (snapshot !== undefined && snapshot.node !== source.id) throw new OcmError('snapshot-foreign')
  const wish: Wish = {
    kind: named.kind,
    source: source.id,
    target: target.id,
    choices,
    ...(named.kind === 'move' && options.sourceIsOff ? { unfenced: true as const } : {}),
    ...(snapshot === undefined ? {} : { snapshot: snapshot.id }),
  }
  return { wish, source, target }
}

function choicesOf(kind: Choices['kind'], options: ApplyOptions): Partial<Omit<Choices, 'kind'>> {
  const roots = Object.fromEntries(
    (options.root ?? []).map((text) => {
      const at = text.indexOf('=')
      if (at < 1 || text[at + 1] !== '/') {
        throw new OcmError('wrong-use', { what: '--root takes ROOT=/absolute/path' })
      }
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
  const port = options.port === undefined ? null : Number(options.port)
  if (port !== null && (!Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new OcmError('wrong-use', { what: '--port takes a number from 1 to 65535' })
  }
  return {
    roots,
    port,
    prose: options.prose ?? false,
    allowUpgrade: options.allowUpgrade ?? false,
    ...(options.partial ? { partial: true as const } : {}),
    ...onlyOf(kind, options),
    ...(options.trial === false && kind !== 'restore' ? { trial: false as const } : {}),
    ...(options.keepApiKeys ? { apiKeys: 'keep' as const } : {}),
    ...(options.keepCron ? { cron: 'keep' as const } : {}),
    ...(options.disableCron ? { cron: 'disabled' as const } : {}),
    ...tokenOf(options),
  }
}

/** @throws OcmError 'wrong-use' */
function tokenOf({
  gatewayToken,
  ...options
}: ApplyOptions): Pick<Partial<Choices>, 'gatewayToken'> {
  if (gatewayToken === undefined) return {}
  if (options.onlySection ?? options.onlyPersona ?? options.onlyCron ?? options.onlyConfig) {
    throw new OcmError('wrong-use', {
      what: 'A target that parts are put into keeps its own gateway token',
    })
  }
  return { gatewayToken }
}

/** @throws OcmError 'wrong-use' */
function onlyOf(kind: Choices['kind'], options: ApplyOptions): Pick<Choices, 'only'> {
  const only = {
    ...(options.onlySection ? { sections: options.onlySection.map(sectionNamed) } : {}),
    ...(options.onlyPersona ? { personas: [...options.onlyPersona] } : {}),
    ...(options.onlyCron ? { cron: [...options.onlyCron] } : {}),
    ...(options.onlyConfig ? { config: options.onlyConfig.map(pointerOf) } : {}),
  }
  if (isEmptySelection(only)) return {}
  if (kind === 'move') throw new OcmError('wrong-use', { what: 'A move takes everything' })
  return { only }
}

/** `mcp.servers.demo` is as good as `/mcp/servers/demo`. @throws OcmError 'wrong-use' */
function pointerOf(text: string): string {
  const pointer = text.startsWith('/') ? text : `/${text.replaceAll('.', '/')}`
  if (keysOfPointer(pointer) === undefined || pointer.length < 2) {
    throw new OcmError('wrong-use', { what: '--only-config takes a place like /mcp/servers/demo' })
  }
  return pointer
}

function question({ kind, graft }: Plan, source: NodeState, target: NodeState): string {
  if (graft !== undefined) return `Put these parts into ${target.label}?`
  switch (kind) {
    case 'restore':
      return `Set ${target.label} back to this snapshot?`
    case 'move':
      return `Move ${source.label} to ${target.label}? ${source.label} is stopped for good.`
    case 'clone':
      return `Clone ${source.label} onto ${target.label}?`
  }
}

/** Silence proves nothing, so it is a person who says it: by the name of the node, unless --yes was given. */
async function attests({ terminal, yes }: Context, source: NodeState): Promise<boolean> {
  terminal.say(
    `You sign that ${source.label} is off: its machine is gone, or its gateway cannot start. What it did after this ` +
      'snapshot stays behind. If it still runs, both answer under one identity. When its agent comes back it stops ' +
      'its gateway and stays stopped; until then the move is shown as unfenced.\n',
  )
  if (yes) return true
  const typed = await terminal.ask(`Type ${source.label} to sign that it is off`, 'shown')
  return typed.trim() === source.label
}

function teller(context: Context): (stage: Stage) => void {
  const { terminal } = context
  const steps = tellSteps(terminal)
  return (stage) => {
    switch (stage.kind) {
      case 'opening':
      case 'planned':
        return
      case 'confirmed':
        return sayConfirmation(terminal, stage.confirmation)
      case 'reading':
        return terminal.say('Reading the snapshot.')
      case 'describing':
        return terminal.say('Asking the target what is there.')
      case 'backing-up':
      case 'working':
        return steps(stage.job)
    }
  }
}

function resultText(job: Job, { graft }: Plan, source: NodeState, target: NodeState): string {
  const equal = job.inventoryEqual ?? null
  const compared =
    equal === null
      ? 'What OpenClaw lists could not be compared.'
      : equal
        ? graft
          ? 'OpenClaw lists there what it listed before, and what was chosen.'
          : 'OpenClaw lists there what it listed at the capture.'
        : 'OpenClaw lists something else than it should: ocm jobs show --log says what.'
  const put = `${target.label} has the chosen parts of ${source === target ? 'the snapshot' : source.label}.`
  const whole = {
    backup: '',
    undo: '',
    release: '',
    restore: `${target.label} is set back to the snapshot ${short(job.snapshot ?? '')}.`,
    move: `${source.label} now runs on ${target.label}.${toBeFenced(job, source)}`,
    clone: `${target.label} is a clone of ${source.label}.`,
  }[job.kind]
  const done = graft === undefined ? whole : put
  const downtime =
    job.downtimeMs === null ? '' : ` No gateway spoke for ${seconds(job.downtimeMs)}.`
  const lost = job.warnings ?? 0
  const without =
    lost === 0
      ? ''
      : `\n${lost} files could not be read and were left out: ocm jobs show --log names them.`
  return `${done}${downtime}\n${compared}${without}`
}

const toBeFenced = ({ unfenced }: Job, source: NodeState): string =>
  unfenced === 'owed' ? ` ${source.label} is not fenced yet: that happens when it comes back.` : ''
