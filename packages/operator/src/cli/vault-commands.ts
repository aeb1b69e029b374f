/** The command line of `ocm vault`. */
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { type EpochOptions, epoch, passphrase, recover, showVault } from './vault.ts'

const list = (value: string, before: readonly string[] = []) => [...before, value]

export function describeVault(program: Command, context: () => Promise<Context>): void {
  const vault = program.command('vault').summary('the keys: passphrase, epoch, recovery')
  vault
    .command('show')
    .summary('epoch, operators and fingerprints')
    .action(async () => showVault(await context()))
  vault
    .command('passphrase')
    .summary('change your passphrase')
    .action(async () => passphrase(await context()))
  vault
    .command('epoch')
    .summary('new keys for all that is stored from now on, and a new recovery kit')
    .option('--remove <operator>', 'let an operator in no more; may be repeated', list)
    .option('--kit <file>', 'write the new recovery kit to a file of yours alone')
    .action(async (options: EpochOptions) => epoch(await context(), options))
  vault
    .command('recover')
    .summary('set a new passphrase with the code from the recovery kit')
    .action(async () => recover(await context()))
}
