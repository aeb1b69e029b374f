/** The command line of what the hub keeps: `ocm schedule`, `retention`, `prune`, `pin`, `unpin` and `scrub`. */
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { type PruneOptions, pin, prune, unpin } from './prune.ts'
import {
  type PolicyOptions,
  resumeRetention,
  setLock,
  setPolicy,
  showRetention,
} from './retention.ts'
import { type ScheduleOptions, schedule } from './schedule.ts'
import { type ScrubOptions, scrub } from './scrub.ts'

type SetOptions = PolicyOptions & {
  readonly node?: string
  readonly keepAll?: boolean
  readonly inherit?: boolean
}

export function describeKeeping(program: Command, context: () => Promise<Context>): void {
  program
    .command('schedule')
    .summary('when the hub backs a node up by itself; without an option, what is set')
    .argument('[node]')
    .option('--daily <time>', 'once a day, at HH:MM or up to 15 minutes later')
    .option('--zone <zone>', 'with --daily: the time zone; of this machine when it is not given')
    .option('--every <time>', 'every so many hours or days: 6h, 1d')
    .option('--off', 'only when somebody asks for it')
    .action(async (node: string | undefined, options: ScheduleOptions) =>
      schedule(await context(), node, options),
    )

  const retention = program
    .command('retention')
    .summary('which snapshots stay, and what no policy goes below')
    .action(async () => showRetention(await context()))
  retention
    .command('set')
    .summary('a policy for all nodes or one; the hub prunes by it once a day')
    .option('--node <node>', 'for this node, whatever holds for all')
    .option('--last <n>', 'the newest so many')
    .option('--hourly <n>', 'one of each of so many hours (UTC)')
    .option('--daily <n>', 'one of each of so many days')
    .option('--weekly <n>', 'one of each of so many ISO weeks')
    .option('--monthly <n>', 'one of each of so many months')
    .option('--yearly <n>', 'one of each of so many years')
    .option('--within <days>', 'all of so many days before the newest')
    .option('--keep-all', 'nothing goes')
    .option('--inherit', 'with --node: it follows the policy of all again')
    .action(async ({ node, ...options }: SetOptions) => setPolicy(await context(), node, options))
  retention
    .command('lock')
    .summary('change what no policy goes below')
    .option('--days <n>', 'nothing younger goes')
    .option('--last <n>', 'nor the newest so many of a node')
    .option('--grace <hours>', 'how long a prune can be taken back')
    .option('--lower', 'say that it may get lower')
    .action(async (options: Parameters<typeof setLock>[1]) => setLock(await context(), options))
  retention
    .command('resume')
    .summary("the hub's clock is right, although it jumped ahead")
    .action(async () => resumeRetention(await context()))

  program
    .command('prune')
    .summary('show what would go by the policy, and why the rest stays')
    .argument('[node]')
    .option('--all', 'of every node')
    .option('--apply', 'let it go; it can be taken back for the grace')
    .option('--undo <snapshot>', 'take a prune back')
    .action(async (node: string | undefined, options: PruneOptions) =>
      prune(await context(), node, options),
    )
  program
    .command('pin')
    .summary('no policy removes this snapshot')
    .argument('<snapshot>')
    .action(async (snapshot: string) => pin(await context(), snapshot))
  program
    .command('unpin')
    .summary('it follows the policy again')
    .argument('<snapshot>')
    .action(async (snapshot: string) => unpin(await context(), snapshot))
  program
    .command('scrub')
    .summary('which stored packs are damaged; needs no key without --files')
    .option('--all', 'hash all of them now')
    .option('--files', 'how many files that costs, too; opens the vault if anything is damaged')
    .action(async (options: ScrubOptions) => scrub(await context(), options))
}
