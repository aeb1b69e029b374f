/** The command line of `ocm`: what there is, and how it ends. */
import { OcmError } from '@ocm/protocol'
import { Command, CommanderError, Option } from 'commander'
import { type ReleaseFileOptions, agentRelease } from './agent-release.ts'
import { type ApplyOptions, type Named, apply, showPlan } from './apply.ts'
import { type Context, type GlobalOptions, contextOf } from './context.ts'
import { type ImportOptions, importArchive } from './import.ts'
import { audit, backup, cancelJob, listJobs, showJob } from './jobs.ts'
import { type ExportOptions, exportSnapshot } from './export.ts'
import { type DiffOptions, diff } from './diff.ts'
import { short } from './format.ts'
import { describeKeeping } from './keeping-commands.ts'
import { list } from './list.ts'
import { logIn, logOut } from './login.ts'
import { confirm, listNodes, readmit, rename, retire } from './nodes.ts'
import { type RecoverOptions, recover } from './recover.ts'
import { type SetupOptions, setUp } from './setup.ts'
import { cat, listEntries, listSnapshots, showSnapshot } from './snapshots.ts'
import { describeSsh, withCredentials } from './ssh-commands.ts'
import type { CredentialOptions } from './ssh-secrets.ts'
import { Told, openTerminal, visible } from './terminal.ts'
import { type TicketOptions, ticket } from './ticket.ts'
import { type ReleaseOptions, release, undo } from './undo.ts'
import { describeVault } from './vault-commands.ts'
import { type VerifyOptions, verify } from './verify.ts'

const EPILOG = `
Nodes, snapshots and jobs may be named by label, id or the beginning of one.
OCM_URL and OCM_TOKEN name the hub and log in; OCM_PASSPHRASE_FILE and OCM_PASSWORD_FILE name files
(mode 0600) with the vault passphrase and the login password; OCM_SSH_PASSWORD_FILE, OCM_SSH_KEY_FILE,
OCM_SSH_PASSPHRASE_FILE and OCM_SSH_SUDO_PASSWORD_FILE what is lent to reach nodes without an agent, and
OCM_SSH_JUMP_KEY_FILE and OCM_SSH_JUMP_PASSWORD_FILE what the host on the way takes. Answers 0 done, 1 failed, 2 wrong use.`

/** @returns the exit code: 0 done, 1 failed, 2 wrong use. */
export async function run(proc: NodeJS.Process, version: string): Promise<number> {
  const program = describe(proc, version)
  try {
    await program.parseAsync(proc.argv)
    return 0
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    return report(proc, program.opts<GlobalOptions>().json ?? proc.argv.includes('--json'), error)
  }
}

function describe(proc: NodeJS.Process, version: string): Command {
  const program = new Command('ocm')
    .description("The operator's hand: backups, restores and moves of OpenClaw nodes")
    .version(version)
    .option('--json', 'one JSON value on stdout, errors too')
    .option('--yes', 'approve beforehand what would be asked')
    .option('--url <url>', 'the hub (OCM_URL)')
    .option('--certificate <fingerprint>', 'the only one to take from it (OCM_CERTIFICATE)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .addHelpText('after', EPILOG)
    // What is wrong is reported once, in `report`.
    .configureOutput({
      outputError: () => undefined,
      writeErr: (text) => void proc.stderr.write(text),
    })

  const context = () => contextOf(proc, program.opts<GlobalOptions>())
  const does =
    <A extends unknown[]>(work: (context: Context, ...args: A) => Promise<void>) =>
    async (...args: A) =>
      work(await context(), ...args)

  program
    .command('setup')
    .summary('set the hub up with the link that it printed')
    .argument('[link]', 'the one-time link; asked for when it is not given')
    .option('--link <link>', 'the same')
    .option('--name <name>', 'your name')
    .option('--kit <file>', 'write the recovery kit to a file of yours alone')
    .action(
      does((at, link: string | undefined, options: SetupOptions) =>
        setUp(at, link === undefined ? options : { ...options, link }),
      ),
    )
  program
    .command('login')
    .summary('log this machine in')
    .option('--name <name>', 'your name')
    .action(does((at, options: { name?: string }) => logIn(at, options)))
  program
    .command('logout')
    .summary('give the login back')
    .action(does((at) => logOut(at)))
  program
    .command('ticket')
    .summary('a join string for one node')
    .option('--label <label>', 'what to call the node', 'node')
    .option('--ttl <time>', 'how long it can be used: 30m, 2h, 1d', '1h')
    .option('--address <url>', 'where the node reaches the hub; may be repeated', list)
    .action(does((at, options: TicketOptions) => ticket(at, options)))

  describeVault(program, context)

  const nodes = program
    .command('nodes')
    .summary('list nodes')
    .action(does((at) => listNodes(at)))
  nodes
    .command('confirm')
    .summary('list nodes in the vault record, so that they receive orders')
    .argument(
      '[node]',
      'one that joined without a ticket; without it, all that can prove themselves',
    )
    .option('--fingerprint <text>', 'as `ocm-agent status` shows it on the node')
    .action(
      does((at, node: string | undefined, options: { fingerprint?: string }) =>
        confirm(at, node, options),
      ),
    )
  nodes
    .command('retire')
    .summary('let a node in no more')
    .argument('<node>')
    .action(does((at, node: string) => retire(at, node)))
  nodes
    .command('readmit')
    .summary('let a node in again whose identity two machines had, when one of them is stopped')
    .argument('<node>')
    .action(does((at, node: string) => readmit(at, node)))
  nodes
    .command('rename')
    .summary('call a node something else')
    .argument('<node>')
    .argument('<label>')
    .action(does((at, node: string, label: string) => rename(at, node, label)))

  describeSsh(program, nodes, context)

  withCredentials(
    program.command('backup').summary('take a snapshot of a node now').argument('<node>'),
  ).action(does((at, node: string, options: CredentialOptions) => backup(at, node, options)))
  const snapshots = program
    .command('snapshots')
    .summary('list snapshots, newest first')
    .argument('[node]')
    .action(does((at, node: string | undefined) => listSnapshots(at, node)))
  snapshots
    .command('show')
    .summary('one snapshot with its warnings, and what is not in it as it was on the node')
    .argument('<snapshot>')
    .action(does((at, snapshot: string) => showSnapshot(at, snapshot)))
  program
    .command('ls')
    .summary('list what is in a snapshot')
    .argument('<snapshot>')
    .argument('[place]', 'a root, or root:path')
    .action(
      does((at, snapshot: string, place: string | undefined) => listEntries(at, snapshot, place)),
    )
  program
    .command('cat')
    .summary('write a file of a snapshot to stdout')
    .argument('<snapshot>')
    .argument('<place>', 'root:path, as ls shows it')
    .action(does((at, snapshot: string, place: string) => cat(at, snapshot, place)))

  withCredentials(
    program
      .command('diff')
      .summary('what differs between two nodes or snapshots; answers 0 either way')
      .argument('<a>', 'a node, which stands for its newest snapshot, or a snapshot')
      .argument('<b>', 'the same')
      .argument('[place]', 'a root, or root:path; its text files are compared line by line'),
  )
    .option('--section <name>', 'only this part')
    .option('--fresh', 'back a node up first')
    .option('--all', 'databases, conversations and what is of one machine too, byte for byte')
    .option('--text', 'compare all text files line by line')
    .option('--show-secrets', 'show what files with secrets say, too')
    .action(
      does((at, a: string, b: string, place: string | undefined, options: DiffOptions) =>
        diff(at, [a, b], place, options),
      ),
    )
  program
    .command('verify')
    .summary('read everything of a snapshot with the keys, and say what is not whole')
    .argument('[name]', 'a snapshot, or a node: all of its snapshots')
    .option('--all', 'every snapshot of every node')
    .option('--sample <percent>', 'only about this share of the packs')
    .option('--databases', 'let SQLite check each database too')
    .action(
      does((at, name: string | undefined, options: VerifyOptions) => verify(at, name, options)),
    )

  applying(program, (named, options) => context().then((at) => apply(at, named, options)))
  const plan = program.command('plan').summary('show what a move, clone or restore would do')
  applying(plan, (named, options) => context().then((at) => showPlan(at, named, options)))

  withCredentials(
    program.command('undo').summary('take back what was last applied to a node').argument('<node>'),
  ).action(does((at, node: string, options: CredentialOptions) => undo(at, node, options)))
  withCredentials(
    program
      .command('release')
      .summary('run a node again that was stopped for a move whose target is off for good')
      .argument('<node>'),
  )
    .option('--target-is-off', 'sign that the target is off')
    .action(does((at, node: string, options: ReleaseOptions) => release(at, node, options)))

  const jobs = program
    .command('jobs')
    .summary('list jobs, newest first')
    .action(does((at) => listJobs(at)))
  jobs
    .command('show')
    .summary('one job with its steps')
    .argument('<job>')
    .option('--log', 'what the nodes said; needs the passphrase')
    .action(does((at, job: string, options: { log?: boolean }) => showJob(at, job, options)))
  jobs
    .command('cancel')
    .summary('end a job that has not come to its point of no return')
    .argument('<job>')
    .action(does((at, job: string) => cancelJob(at, job)))
  program
    .command('export')
    .summary('write a snapshot as an archive that OpenClaw takes, or as a plain tree')
    .argument('<snapshot>')
    .option('--to <path>', 'a .tar.gz file, or an empty directory')
    .action(
      does((at, snapshot: string, options: ExportOptions) => exportSnapshot(at, snapshot, options)),
    )
  program
    .command('import')
    .summary('take in an archive of `openclaw backup create`, as a node to clone from')
    .argument('<archive>')
    .option('--label <label>', 'what to call it; the beginning of its name when it is not given')
    .option(
      '--home <dir>',
      'home of the account it is from, if that is not around the state directory',
    )
    .option('--skip-links', 'leave out links that lead out of it rather than refuse it')
    .option('--max-ratio <number>', 'how many times larger its contents may be', '100')
    .action(
      does((at, archive: string, options: ImportOptions) => importArchive(at, archive, options)),
    )
  program
    .command('recover')
    .summary('write a snapshot out of a bare store; needs no hub')
    .argument('<store>', "the hub's directory of packs, or a copy of it")
    .option('--to <dir>', 'where to; empty or not there yet')
    .option('--snapshot <snapshot>', "its id, or 'latest'", 'latest')
    .option('--node <node>', 'of which node, by the beginning of its id')
    .option('--list', 'show which snapshots there are')
    .option('--section <name>', 'only this part; may be repeated', list)
    .option('--home <dir>', 'rewrite paths for an account with this home')
    .option('--partial', 'go on without what damaged packs hold')
    .option('--recovery', 'open the vault with the recovery code of the printed kit')
    .action((store: string, options: RecoverOptions) => {
      const { json = false, yes = false } = program.opts<GlobalOptions>()
      return recover(openTerminal(proc, { json, yes }), store, options)
    })
  describeKeeping(program, context)
  program
    .command('agent-release')
    .summary('offer a signed version of the agent to all nodes, one first; show how far it is')
    .argument('[file]', 'as it was signed; without it nothing changes')
    .option('--withdraw', 'offer it no more')
    .action(
      does((at, file: string | undefined, options: ReleaseFileOptions) =>
        agentRelease(at, file, options),
      ),
    )
  program
    .command('audit')
    .summary('who did what')
    .action(does((at) => audit(at)))
  return program
}

const DISABLE_CRON = 'let its cron jobs start disabled: openclaw cron enable starts each'

/** What can be decided about a plan. */
const withChoices = (command: Command) =>
  withCredentials(command)
    .option('--root <root=path>', 'where a root goes on the target; may be repeated', list)
    .option('--port <number>', "the gateway's port on the target")
    .addOption(
      new Option(
        '--gateway-token <what>',
        'whether the gateway goes by the token it had; a clone gets a new one otherwise',
      ).choices(['keep', 'new']),
    )
    .option('--prose', 'rewrite paths in prose too')
    .option('--allow-upgrade', "go on although the target's OpenClaw is newer")
    .option('--partial', 'go on without files whose stored bytes are damaged or missing')
    .option('--no-trial', 'do not start a muted copy on the target first')

/** Parts of a snapshot, put into a target that keeps everything else of its own. */
const withParts = (command: Command) =>
  withChoices(command)
    .option(
      '--only-persona <id>',
      'this persona alone, with all that is its own; may be repeated',
      list,
    )
    .option('--only-cron <id>', 'this cron job alone; may be repeated', list)
    .option('--only-config <place>', 'this part of the configuration alone; may be repeated', list)
    .option('--only-section <section>', 'this section alone; may be repeated', list)

function applying(
  parent: Command,
  work: (named: Named, options: ApplyOptions) => Promise<void>,
): void {
  withChoices(
    parent
      .command('move')
      .summary('move a node to another; the source is stopped for good')
      .argument('<from>')
      .argument('<to>'),
  )
    .option('--disable-cron', DISABLE_CRON)
    .option('--source-is-off', 'sign that the source is off, and go on from its last snapshot')
    .option('--snapshot <snapshot>', 'with --source-is-off: another than the newest')
    .action((source: string, target: string, options: ApplyOptions) =>
      work({ kind: 'move', source, target }, options),
    )
  withParts(
    parent
      .command('clone')
      .summary('apply a snapshot of a node to another, with an identity of its own')
      .argument('<from>')
      .argument('<to>'),
  )
    .option('--snapshot <snapshot>', 'another than the newest')
    .option('--keep-cron', 'leave its cron jobs enabled')
    .option(
      '--keep-api-keys',
      'give it the API keys and tokens of providers too, wherever they stand',
    )
    .action((source: string, target: string, options: ApplyOptions) =>
      work({ kind: 'clone', source, target }, options),
    )
  withParts(
    parent
      .command('restore')
      .summary('set a node back to a snapshot of its own')
      .argument('<node>')
      .argument('<snapshot>', "its id, or 'latest'"),
  )
    .option('--disable-cron', DISABLE_CRON)
    .action((node: string, snapshot: string, options: ApplyOptions) =>
      work({ kind: 'restore', source: node, target: node, snapshot }, options),
    )
}

function report(proc: NodeJS.Process, json: boolean, error: unknown): number {
  const known = asOcmError(error)
  const { code, message, facts, next } = known
  if (json && error instanceof Told) return 1
  if (json) {
    proc.stdout.write(`${JSON.stringify({ code, message, facts, next })}\n`)
  } else {
    proc.stderr.write(visible(`ocm: ${message}\n     ${next} (${code})\n`))
    const { job } = facts
    if (typeof job === 'string') {
      proc.stderr.write(`     What the nodes said: ocm jobs show ${short(job)} --log\n`)
    }
    const detail = known.cause
    if (code === 'internal' && detail instanceof Error)
      proc.stderr.write(`     ${detail.message}\n`)
  }
  return code === 'wrong-use' ? 2 : 1
}

function asOcmError(error: unknown): OcmError {
  if (error instanceof OcmError) return error
  if (error instanceof CommanderError) {
    const what = error.message.replace(/^error: /, '').replace(/\.$/, '')
    return new OcmError(
      'wrong-use',
      { what: what.charAt(0).toUpperCase() + what.slice(1) },
      { cause: error },
    )
  }
  return new OcmError('internal', {}, { cause: error })
}
