/** The command line of nodes without an agent: `ocm nodes add`, `ssh`, `delegate`, `forget`, `adopt`, `ocm lend`, `leases` and `dial`. */
import type { Command } from 'commander'
import { type AddOptions, addNode } from './add-node.ts'
import { type AdoptOptions, adoptNode } from './adopt-node.ts'
import type { Context } from './context.ts'
import { type DelegateOptions, delegateNode } from './delegate-node.ts'
import { type DialOptions, dialNode } from './dial.ts'
import { forgetNode } from './forget-node.ts'
import { endLeases, lend, listLeases } from './lend.ts'
import { list } from './list.ts'
import { type ReachOptions, reachNode } from './reach-node.ts'
import type { CredentialOptions } from './ssh-secrets.ts'

/** Credentials of nodes that are reached over ssh; asked for where neither an option nor a file names them. */
export const withCredentials = (command: Command): Command =>
  command
    .option('--key <file>', 'over ssh: the private key, a file of yours alone')
    .option('--key-certificate <file>', 'over ssh: its certificate, …-cert.pub')
    .option('--jump-key <file>', 'over ssh: another private key for the host on the way')
    .option('--jump-password', 'over ssh: ask for a password for the host on the way')

const withConnection = (command: Command): Command =>
  command
    .option('--jump <user@host>', 'a host on the way')
    .option('--sudo-user <user>', 'the account of OpenClaw, where one logs in as another')
    .option('--sudo-password', 'sudo asks for a password there')
    .option('--container <name>', 'OpenClaw runs in this container: NAME, docker:NAME, podman:NAME')
    .option('--container-user <user>', 'the account in the container')
    .option('--openclaw-home <dir>', 'home of the account that runs OpenClaw')
    .option('--openclaw-bin <path>', 'the openclaw program, if it is not in PATH')
    .option('--profile <name>', 'a second node of one account')
    .option('--host-key <fingerprint>', 'SHA256:…, compared before; may be repeated', list)

export function describeSsh(
  program: Command,
  nodes: Command,
  context: () => Promise<Context>,
): void {
  withCredentials(
    withConnection(
      nodes
        .command('add')
        .summary('add a node without an agent, over ssh')
        .argument('<user@host[:port]>'),
    ),
  )
    .option('--label <label>', 'what to call the node; the host when it is not given')
    .option('--password', 'log in with a password')
    .option('--keep-credential', 'store the credential, sealed to the vault')
    .action(async (destination: string, options: AddOptions) =>
      addNode(await context(), destination, options),
    )
  withCredentials(
    withConnection(
      nodes
        .command('ssh')
        .summary('how a node is reached over ssh; with an address, from now on otherwise')
        .argument('<node>')
        .argument('[user@host[:port]]'),
    ),
  )
    .option('--password', 'log in with a password')
    .option('--look-again', 'approve the host key anew, of a machine that was set up anew')
    .option('--keep-credential', 'store the credential, sealed to the vault')
    .option('--drop-credential', 'store it no longer')
    .action(async (node: string, destination: string | undefined, options: ReachOptions) =>
      reachNode(await context(), node, destination, options),
    )
  withCredentials(
    nodes
      .command('delegate')
      .summary('let the hub log in to a node by itself, for its schedule; says what that gives up')
      .argument('<node>'),
  )
    .option('--end', 'take it back')
    .action(async (node: string, options: DelegateOptions) =>
      delegateNode(await context(), node, options),
    )
  withCredentials(
    nodes
      .command('adopt')
      .summary('give a node that is reached over ssh an agent of its own')
      .argument('<node>'),
  )
    .option('--address <url>', 'where the node reaches the hub; may be repeated', list)
    .action(async (node: string, options: AdoptOptions) =>
      adoptNode(await context(), node, options),
    )
  withCredentials(
    nodes
      .command('forget')
      .summary('remove what OCM has on a node that is reached over ssh, and retire it')
      .argument('<node>'),
  ).action(async (node: string, options: CredentialOptions) =>
    forgetNode(await context(), node, options),
  )

  withCredentials(
    program
      .command('lend')
      .summary('lend a credential to the hub for the job of a node that is reached over ssh')
      .argument('<node>'),
  ).action(async (node: string, options: CredentialOptions) => lend(await context(), node, options))
  const leases = program
    .command('leases')
    .summary('which credentials are on loan, to which job, for how long')
    .action(async () => listLeases(await context()))
  leases
    .command('end')
    .summary('take a credential back')
    .argument('[lease]', 'one of them, or a node; without it, every one')
    .action(async (lease: string | undefined) => endLeases(await context(), lease))

  withConnection(
    program
      .command('dial')
      .summary("connect a node with this machine's own ssh, keys and agent; nothing is lent")
      .argument('[node]'),
  )
    .option('--new <user@host[:port]>', 'a node that is not there yet')
    .option('--label <label>', 'with --new: what to call it')
    .option('--backup', 'back it up and end')
    .action(async (node: string | undefined, options: DialOptions) =>
      dialNode(await context(), node, options),
    )
}
